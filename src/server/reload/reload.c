#include "server/reload/reload.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "schema/compat/compat.h"
#include "server/generation/difference.h"
#include "server/generation/generation_reader.h"
#include "server/generation/spec_gate.h"
#include "server/reload/reload_stats.h"
#include "server/worker/broadcast.h"

enum kind { NOTHING, FOLDER, CHECK, ROLLBACK };

/* The answer of a worker that has loaded the candidate. */
struct loaded {
  int rc;
  struct mw_err err;
};

/* A request that waits for the reload under way to end. Waiting reloads are merged into one request, and so are checks
 * and rollbacks. */
struct request {
  enum kind kind; /* NOTHING for none */
  bool forced;
  bool asked;                 /* requested by a user or command, not by a change of the folder: see mw_reload_look() */
  struct mw_generation *back; /* of a rollback: the generation, a reference */
  mw_reload_done_fn done;
  void *arg;
};

struct mw_reload {
  struct mw_loop *home;
  struct mw_worker_shared *shared;
  struct mw_broadcaster *broadcaster;
  unsigned n_workers;
  uint64_t last_number;
  struct mw_generation *kept[MW_RELOAD_KEPT]; /* newest first; [0] is the running one */
  struct mw_generation_reader reading;        /* reads the candidate */
  struct mw_generation *candidate;            /* NULL if no reload is under way, or while the candidate is read */
  struct mw_generation *on_disk;              /* content of the folder when it last came into force; NULL if unknown */
  enum kind kind;                             /* of the reload under way, or the last one */
  bool forced, asked;
  struct mw_spec_gate *gate; /* specs that the candidate must pass; NULL if none run */
  int64_t started;
  mw_reload_done_fn done;
  void *arg;
  struct request next_rollback, next, next_check; /* in order of precedence */
  struct mw_reload_stats stats;
  bool stopping;
  void (*stopped)(void *arg); /* NULL unless mw_reload_stop() waits */
  void *stopped_arg;
  struct loaded loaded[]; /* indexed by worker */
};

/* ---- ending ---- */

static void start(struct mw_reload *reload, const struct request *request);

static void tell_stopped(struct mw_reload *reload) {
  void (*stopped)(void *arg) = reload->stopped;
  if (!stopped || mw_reload_busy(reload)) return;
  reload->stopped = NULL;
  stopped(reload->stopped_arg);
}

static void finish(struct mw_reload *reload, bool committed, const char *text) {
  mw_generation_unref(reload->candidate);
  reload->candidate = NULL;
  if (reload->done) reload->done(reload->arg, committed, text);
  struct request *nexts[] = {&reload->next_rollback, &reload->next, &reload->next_check};
  for (int i = 0; i < 3 && !mw_reload_busy(reload); i++) {
    struct request next = *nexts[i];
    *nexts[i] = (struct request){0};
    if (next.kind != NOTHING) start(reload, &next);
  }
  tell_stopped(reload);
}

/* Ends a check. The text has the running generation, the verdict on the folder, then the findings. */
static void finish_check(struct mw_reload *reload, bool accepted, const char *verdict, const char *findings) {
  struct mw_buf text = MW_BUF_INIT;
  mw_buf_printf(&text, "generation %" PRIu64 " is in force; %s%s%s", reload->kept[0]->number, verdict,
                *findings ? "\n" : "", findings);
  finish(reload, accepted, mw_buf_str(&text));
  mw_buf_fini(&text);
}

/* Logs each finding on its own line, with the source line that it refers to. */
static void log_findings(const struct mw_reload *reload, const struct mw_err *err) {
  const char *line = mw_err_text(err);
  while (*line) {
    size_t len = strcspn(line, "\n");
    char source[256];
    bool known = (reload->candidate && mw_difference_source_line(reload->candidate, line, source, sizeof source)) ||
                 mw_difference_disk_line(line, source, sizeof source);
    struct mw_log_field fields[] = {{"source", known ? source : NULL}, {NULL, NULL}};
    mw_log(MW_LOG_ERROR, known ? fields : NULL, "reload refused: %.*s", (int)len, line);
    line += len + (line[len] == '\n');
  }
}

/* Replaces the known content of the folder; takes a reference. */
static void set_on_disk(struct mw_reload *reload, struct mw_generation *generation) {
  if (generation) mw_generation_ref(generation);
  mw_generation_unref(reload->on_disk);
  reload->on_disk = generation;
}

static void fail(struct mw_reload *reload, struct mw_err *err) {
  if (reload->kind == CHECK) {
    finish_check(reload, false, "the server would refuse the folder", mw_err_text(err));
    mw_err_fini(err);
    return;
  }
  log_findings(reload, err);
  if (reload->kind != ROLLBACK) set_on_disk(reload, NULL);
  mw_reload_stats_count(&reload->stats, MW_RELOAD_REFUSED, 0);
  finish(reload, false, mw_err_text(err));
  mw_err_fini(err);
}

/* ---- the second step: commit or discard ---- */

static void adopt(void *arg, struct mw_worker *worker) { mw_programs_adopt(&worker->programs, true); }

static void discard(void *arg, struct mw_worker *worker) { mw_programs_discard(&worker->programs); }

static void keep(struct mw_reload *reload) {
  mw_generation_unref(reload->kept[MW_RELOAD_KEPT - 1]);
  memmove(&reload->kept[1], &reload->kept[0], (MW_RELOAD_KEPT - 1) * sizeof *reload->kept);
  reload->kept[0] = mw_generation_ref(reload->candidate);
  atomic_store(&reload->shared->grace, mw_duration_from_seconds(reload->candidate->settings.grace));
}

/* Adds the names of changed settings that take effect only at a restart. */
static void add_fixed(struct mw_buf *text, const struct mw_reload *reload) {
  struct mw_buf names = MW_BUF_INIT;
  mw_settings_list_fixed(&names, reload->shared->settings, &reload->candidate->settings);
  if (names.len > 0) mw_buf_printf(text, "; restart to change: %s", mw_buf_str(&names));
  mw_buf_fini(&names);
}

/* Logs the commit if the old or the new log level permits it. */
static void report_commit(void *arg) {
  struct mw_reload *reload = arg;
  struct mw_buf text = MW_BUF_INIT;
  enum mw_log_level level = reload->candidate->settings.log_level;
  double ms = (double)(mw_clock_mono() - reload->started) / MW_NS_PER_MS;
  mw_buf_printf(&text, "generation %" PRIu64 " is live after %.1f ms: ", reload->candidate->number, ms);
  mw_difference_write(&text, reload->kept[1], reload->candidate);
  add_fixed(&text, reload);
  if (reload->kind != ROLLBACK) set_on_disk(reload, reload->candidate);
  if (!mw_log_enabled(MW_LOG_INFO)) mw_log_set_level(level);
  mw_log_context()->generation = reload->candidate->number;
  mw_log(MW_LOG_INFO, NULL, "%s", mw_buf_str(&text));
  mw_log_set_level(level);
  mw_reload_stats_count(&reload->stats, reload->kind == ROLLBACK ? MW_RELOAD_ROLLED_BACK : MW_RELOAD_COMMITTED,
                        reload->candidate->number);
  finish(reload, true, mw_buf_str(&text));
  mw_buf_fini(&text);
}

/* Reports a check that the candidate has passed. */
static void report_check(struct mw_reload *reload) {
  struct mw_buf verdict = MW_BUF_INIT;
  mw_buf_puts(&verdict, "the folder would replace it: ");
  mw_difference_write(&verdict, reload->kept[0], reload->candidate);
  add_fixed(&verdict, reload);
  finish_check(reload, true, mw_buf_str(&verdict), "");
  mw_buf_fini(&verdict);
}

static void report_discard(void *arg) {
  struct mw_reload *reload = arg;
  struct mw_err err = MW_ERR_INIT;
  for (unsigned i = 0; i < reload->n_workers; i++) {
    struct loaded *loaded = &reload->loaded[i];
    if (loaded->rc != 0 && err.code == 0) mw_err_set(&err, loaded->rc, "%s", mw_err_text(&loaded->err));
    mw_err_fini(&loaded->err);
  }
  if (err.code == 0) {
    report_check(reload);
  } else {
    fail(reload, &err);
  }
}

/* ---- the first step: load everywhere ---- */

static void load(void *arg, struct mw_worker *worker) {
  struct mw_reload *reload = arg;
  struct loaded *loaded = &reload->loaded[worker->index];
  loaded->rc = mw_programs_prepare(&worker->programs, reload->candidate, &loaded->err);
}

static void on_loaded(void *arg) {
  static const struct mw_broadcast commit = {.ask = adopt, .done = report_commit},
                                   drop = {.ask = discard, .done = report_discard};
  struct mw_reload *reload = arg;
  bool accepted = reload->kind != CHECK;
  for (unsigned i = 0; i < reload->n_workers; i++) accepted = accepted && reload->loaded[i].rc == 0;
  if (accepted) {
    keep(reload);
    atomic_store_explicit(&reload->shared->published, reload->candidate->number, memory_order_release);
  }
  mw_broadcaster_start(reload->broadcaster, accepted ? &commit : &drop, reload);
}

static void prepare(struct mw_reload *reload, struct mw_generation *candidate) {
  static const struct mw_broadcast loading = {.ask = load, .done = on_loaded};
  reload->candidate = candidate;
  reload->last_number = candidate->number;
  for (unsigned i = 0; i < reload->n_workers; i++) reload->loaded[i] = (struct loaded){.err = MW_ERR_INIT};
  mw_broadcaster_start(reload->broadcaster, &loading, reload);
}

/* ---- starting ---- */

/* Adds the command that accepts the refused folder. `what` begins the line. */
static int add_remedy(const struct mw_reload *reload, int rc, const char *what, const char *more, struct mw_err *err) {
  const char *dir = reload->shared->dir;
  bool here = strcmp(dir, ".") == 0;
  if (rc == 0 || rc == MW_ENOMEM) return rc;
  return mw_err_add(err, rc, "%s: moonwire reload%s%s --force%s", what, here ? "" : " ", here ? "" : dir, more);
}

/* Checks that clients can continue with the candidate's schema. */
static int check_wire(const struct mw_reload *reload, const struct mw_generation *candidate, struct mw_err *err) {
  const char *const *protos = (const char *const *)candidate->settings.protos;
  int rc = mw_compat_check(reload->kept[0]->pool, candidate->pool, protos, err);
  return add_remedy(reload, rc, "to accept an edit that breaks clients, or if none uses yet what it takes away",
                    ", or serve with --dev", err);
}

/* True if the candidate, just read, changes nothing. */
static bool is_in_force(struct mw_reload *reload, struct mw_generation *candidate) {
  if (!reload->asked && reload->on_disk && mw_generation_same(candidate, reload->on_disk)) return true;
  if (!mw_generation_same(candidate, reload->kept[0])) return false;
  set_on_disk(reload, candidate);
  return true;
}

/* Runs when the specs have ended. The candidate has not been loaded before, so it takes over the present states. */
static void on_passed(void *arg, int rc, struct mw_err *err) {
  struct mw_reload *reload = arg;
  reload->gate = NULL;
  if (rc == 0) {
    prepare(reload, reload->candidate);
  } else {
    if (rc == MW_EINVAL) add_remedy(reload, rc, "to accept it in spite of the specs", "", err);
    fail(reload, err);
  }
}

static void on_read(void *arg, int rc, struct mw_generation *candidate, struct mw_err *err) {
  struct mw_reload *reload = arg;
  if (rc == 0 && !reload->forced && is_in_force(reload, candidate)) {
    mw_generation_unref(candidate);
    if (reload->kind == CHECK) {
      finish_check(reload, true, "it is what the folder holds", "");
      return;
    }
    mw_reload_stats_count(&reload->stats, MW_RELOAD_UNCHANGED, 0);
    finish(reload, true, "nothing has changed");
    return;
  }
  if (rc == 0 && !reload->forced && !candidate->settings.dev) rc = check_wire(reload, candidate, err);
  reload->candidate = candidate;
  if (rc == 0 && !reload->forced && mw_spec_gate_wanted(candidate, reload->shared->dir)) {
    rc = mw_spec_gate_open(&reload->gate, reload->home, candidate, reload->shared->dir, reload->shared->data_dir,
                           on_passed, reload, err);
    if (rc == 0) return;
  }
  if (rc == 0) {
    prepare(reload, candidate);
  } else {
    fail(reload, err);
  }
}

static void begin(struct mw_reload *reload, const struct request *request) {
  reload->started = mw_clock_mono();
  reload->kind = request->kind;
  reload->forced = request->forced;
  reload->asked = request->asked;
  reload->done = request->done;
  reload->arg = request->arg;
}

static void start_rollback(struct mw_reload *reload, const struct request *request) {
  struct mw_generation *copy = mw_generation_renumber(request->back, reload->last_number + 1);
  mw_generation_unref(request->back);
  if (copy) {
    begin(reload, request);
    prepare(reload, copy);
  } else if (request->done) {
    request->done(request->arg, false, "out of memory");
  }
}

static void start(struct mw_reload *reload, const struct request *request) {
  if (reload->stopping) {
    mw_generation_unref(request->back);
    if (request->done) request->done(request->arg, false, "the server is shutting down");
    return;
  }
  if (request->kind == ROLLBACK) {
    start_rollback(reload, request);
    return;
  }
  const struct mw_worker_shared *shared = reload->shared;
  begin(reload, request);
  mw_generation_reader_start(&reload->reading, reload->home, shared->dir, reload->last_number + 1, reload->kept[0],
                             shared->overrides, on_read, reload);
}

/* Starts a request now, or after the reload under way. */
static void want(struct mw_reload *reload, const struct request *request) {
  if (!mw_reload_busy(reload)) {
    start(reload, request);
    return;
  }
  if (request->kind == FOLDER && !request->asked) mw_generation_reader_restart(&reload->reading);
  struct request *next = request->kind == ROLLBACK ? &reload->next_rollback
                         : request->kind == CHECK  ? &reload->next_check
                                                   : &reload->next;
  next->kind = request->kind;
  next->forced = request->forced || next->forced;
  next->asked = request->asked || next->asked;
  mw_generation_unref(next->back);
  next->back = request->back;
  if (!request->done) return;
  if (next->done) next->done(next->arg, false, "a later request replaced this one");
  next->done = request->done;
  next->arg = request->arg;
}

void mw_reload_start(struct mw_reload *reload, bool forced, mw_reload_done_fn done, void *arg) {
  want(reload, &(struct request){.kind = FOLDER, .forced = forced, .asked = true, .done = done, .arg = arg});
}

void mw_reload_check(struct mw_reload *reload, mw_reload_done_fn done, void *arg) {
  want(reload, &(struct request){.kind = CHECK, .asked = true, .done = done, .arg = arg});
}

void mw_reload_look(struct mw_reload *reload) { want(reload, &(struct request){.kind = FOLDER}); }

/* Ends the waits that would delay a rollback: for files being written, and for specs. The rollback replaces the
 * generation that they would bring into force. */
static void give_way(struct mw_reload *reload) {
  static const char why[] = "a rollback was asked for meanwhile";
  if (reload->next_rollback.kind == NOTHING) return;
  struct request next = reload->next;
  reload->next = (struct request){0};
  if (next.done) next.done(next.arg, false, why);
  if (reload->gate) mw_spec_gate_stop(reload->gate, why);
  if (!mw_generation_reader_waits(&reload->reading)) return;
  mw_generation_reader_cancel(&reload->reading);
  finish(reload, false, why);
}

void mw_reload_rollback(struct mw_reload *reload, uint64_t number, mw_reload_done_fn done, void *arg) {
  struct mw_generation *old = number == 0 ? reload->kept[1] : NULL;
  for (unsigned i = 1; i < MW_RELOAD_KEPT && number != 0; i++) {
    if (reload->kept[i] && reload->kept[i]->number == number) old = reload->kept[i];
  }
  if (!old) {
    if (done) done(arg, false, "no such generation is kept: moonwire status lists them");
    return;
  }
  want(reload, &(struct request){.kind = ROLLBACK, .back = mw_generation_ref(old), .done = done, .arg = arg});
  give_way(reload);
}

void mw_reload_stop(struct mw_reload *reload, void (*stopped)(void *arg), void *arg) {
  reload->stopping = true;
  reload->stopped = stopped;
  reload->stopped_arg = arg;
  if (reload->gate) mw_spec_gate_stop(reload->gate, "the server is shutting down");
  if (!mw_generation_reader_waits(&reload->reading)) {
    tell_stopped(reload);
    return;
  }
  mw_generation_reader_cancel(&reload->reading);
  finish(reload, false, "the server is shutting down");
}

bool mw_reload_busy(const struct mw_reload *reload) {
  return reload->candidate != NULL || mw_generation_reader_waits(&reload->reading);
}

void mw_reload_describe(const struct mw_reload *reload, char *out, size_t size) {
  char loading[64];
  snprintf(loading, sizeof loading, "waits for %u of %u workers", mw_broadcaster_missing(reload->broadcaster),
           reload->n_workers);
  static const char *const kinds[] = {
      [NOTHING] = "reload", [FOLDER] = "reload", [CHECK] = "check", [ROLLBACK] = "rollback"};
  const char *what = mw_generation_reader_waits(&reload->reading) ? mw_generation_reader_activity(&reload->reading)
                     : reload->gate                               ? "runs the specs"
                                                                  : loading;
  if (mw_reload_busy(reload)) {
    snprintf(out, size, "a %s is under way for %.1fs: it %s", kinds[reload->kind],
             (double)(mw_clock_mono() - reload->started) / MW_NS_PER_S, what);
  } else {
    snprintf(out, size, "no reload is under way");
  }
}

const struct mw_generation *mw_reload_running(const struct mw_reload *reload) { return reload->kept[0]; }

const struct mw_generation *mw_reload_kept(const struct mw_reload *reload, unsigned i) {
  return i < MW_RELOAD_KEPT ? reload->kept[i] : NULL;
}

struct mw_reload *mw_reload_new(struct mw_loop *home, struct mw_worker_shared *shared, struct mw_worker *workers,
                                unsigned n_workers) {
  struct mw_reload *reload = calloc(1, sizeof *reload + n_workers * sizeof *reload->loaded);
  if (!reload) return NULL;
  reload->broadcaster = mw_broadcaster_new(&(struct mw_workers){home, workers, n_workers});
  if (!reload->broadcaster) {
    free(reload);
    return NULL;
  }
  reload->home = home;
  reload->shared = shared;
  reload->n_workers = n_workers;
  reload->last_number = shared->generation->number;
  reload->kept[0] = mw_generation_ref(shared->generation);
  reload->on_disk = mw_generation_ref(shared->generation);
  mw_reload_stats_init(&reload->stats, shared->metrics, shared->generation->number);
  return reload;
}

void mw_reload_free(struct mw_reload *reload) {
  if (!reload) return;
  for (unsigned i = 0; i < MW_RELOAD_KEPT; i++) mw_generation_unref(reload->kept[i]);
  mw_generation_unref(reload->on_disk);
  mw_broadcaster_free(reload->broadcaster);
  free(reload);
}
