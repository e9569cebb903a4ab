#include "server/admin/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "bind/call/handler.h"
#include "bind/job.h"
#include "bind/store/store.h"
#include "server/files/text_table.h"

/* Maximum rows of each worker; SHOWN_PINS: calls of each old generation on it. */
enum { SHOWN_CALLS = 100, SHOWN_JOBS = 100, SHOWN_SNAPSHOTS = 20, SHOWN_PINS = 8 };

/* The answer of one worker: rows of the tables below. */
struct part {
  struct mw_buf worker, old, calls, jobs, pauses, snapshots;
  size_t n_jobs, n_snapshots;
  const struct mw_worker *asked;    /* used while the rows are collected: */
  const struct mw_program *program; /* program whose jobs are being listed */
  int64_t now;
};

struct inquiry {
  struct mw_workers workers;
  const struct mw_reload *reload;
  int64_t opened;
  void (*done)(void *arg, bool ok, const char *text); /* NULL after its run */
  void *arg;
  struct part parts[];
};

/* ---- numbers ---- */

static const char *show_age(int64_t ns, char out[32]) {
  int64_t s = ns / MW_NS_PER_S;
  if (s < 60) {
    snprintf(out, 32, "%.1fs", (double)ns / MW_NS_PER_S);
  } else if (s < 3600) {
    snprintf(out, 32, "%" PRId64 "m%02" PRId64 "s", s / 60, s % 60);
  } else {
    snprintf(out, 32, "%" PRId64 "h%02" PRId64 "m", s / 3600, s / 60 % 60);
  }
  return out;
}

static double mib(size_t bytes) { return (double)bytes / (1024 * 1024); }

/* ---- on a worker's thread ---- */

static void add_call(struct mw_buf *rows, const struct mw_worker *worker, const struct mw_call *call, int64_t now) {
  char age[32], place[512] = "(built in)";
  if (mw_bind_handles(call->route)) mw_bind_call_place(call, place, sizeof place);
  mw_buf_printf(rows, "%" PRIu64 "\t%s\t%s\t%" PRIu64 "\t%u\t%s\t%s%s\n", call->id, call->route->method->path + 1,
                show_age(now - call->arrived, age), call->route->router->generation, worker->index, call->peer, place,
                call->cancelled ? ", cancelled" : "");
}

/* Adds calls in the order of the list, oldest first. */
static void add_calls(struct mw_buf *rows, const struct mw_worker *worker, int64_t now) {
  const struct mw_list *calls = &worker->dispatch.calls;
  size_t n = 0;
  for (struct mw_list *node = calls->next; node != calls && n < SHOWN_CALLS; node = node->next, n++) {
    add_call(rows, worker, MW_CONTAINER(node, struct mw_call, link), now);
  }
  if (n < worker->dispatch.live) {
    mw_buf_printf(rows, "...\t%zu more on worker %u\n", worker->dispatch.live - n, worker->index);
  }
}

/* Adds the ids of the calls, and the number of the runs, that keep a program alive. */
static void add_pins(struct mw_buf *rows, const struct mw_worker *worker, const struct mw_program *program) {
  const struct mw_router *router = &program->router;
  const struct mw_list *calls = &worker->dispatch.calls;
  size_t n = 0;
  for (struct mw_list *node = calls->next; node != calls && n < SHOWN_PINS; node = node->next) {
    const struct mw_call *call = MW_CONTAINER(node, struct mw_call, link);
    if (call->route->router != router) continue;
    mw_buf_printf(rows, "%s%" PRIu64, n++ > 0 ? " " : "", call->id);
  }
  if (router->calls > n) mw_buf_printf(rows, " and %zu more", router->calls - n);
  if (program->n_runs > 0) {
    mw_buf_printf(rows, "%s(%zu run%s of mw.every)", n > 0 ? " " : "", program->n_runs, program->n_runs > 1 ? "s" : "");
  }
}

static void add_old(struct mw_buf *rows, const struct mw_worker *worker, int64_t now) {
  const struct mw_list *old = &worker->programs.old;
  for (struct mw_list *node = old->next; node != old; node = node->next) {
    const struct mw_loaded_program *loaded = MW_CONTAINER(node, struct mw_loaded_program, link);
    char age[32];
    mw_buf_printf(rows, "%" PRIu64 "\t%u\t%s\t%zu\t", loaded->generation->number, worker->index,
                  show_age(now - loaded->replaced, age), loaded->program->n_fibers);
    add_pins(rows, worker, loaded->program);
    mw_buf_putc(rows, '\n');
  }
}

/* "every 30.0s", "spawned by call 17" */
static const char *show_kind(const struct mw_bind_job *job, char out[64]) {
  char period[32];
  if (job->period > 0) {
    snprintf(out, 64, "every %s", show_age(job->period, period));
  } else if (job->call > 0) {
    snprintf(out, 64, "spawned by call %" PRIu64, job->call);
  } else {
    snprintf(out, 64, "spawned");
  }
  return out;
}

static void add_job(void *arg, const struct mw_bind_job *job) {
  struct part *part = arg;
  char kind[64], age[32], left[32], place[512];
  bool runs = *job->place;
  if (runs) {
    snprintf(place, sizeof place, "%s", job->place);
  } else if (job->before > 0) {
    snprintf(place, sizeof place, "the run of generation %" PRIu64, job->before);
  } else if (job->ready) {
    snprintf(place, sizeof place, "its turn");
  } else {
    snprintf(place, sizeof place, "next run in %s", show_age(job->time - part->now, left));
  }
  mw_buf_printf(&part->jobs, "%s\t%s\t%s\t%" PRIu64 "\t%u\t%s\n", job->name, show_kind(job, kind),
                runs ? show_age(part->now - job->time, age) : "-", part->program->generation, part->asked->index,
                place);
}

static void add_pause(struct part *part, const struct mw_program *program) {
  const struct mw_pause *pause = &program->pause;
  size_t n_held = 0;
  char left[32] = "one runs";
  if (!pause->on) return;
  for (const struct mw_list *node = pause->held.next; node != &pause->held; node = node->next) n_held++;
  if (pause->timer) show_age(pause->until - mw_clock_real(), left);
  mw_buf_printf(&part->pauses, "%" PRIu64 "\t%u\t%zu\t%s\t%s\n", program->generation, part->asked->index, n_held, left,
                pause->place);
}

static void add_jobs_of(struct part *part, const struct mw_program *program) {
  part->program = program;
  add_pause(part, program);
  size_t left = part->n_jobs < SHOWN_JOBS ? SHOWN_JOBS - part->n_jobs : 0;
  part->n_jobs += mw_bind_list_jobs(program, left, add_job, part);
}

/* Adds the jobs of all generations, oldest generation first. */
static void add_jobs(struct part *part) {
  const struct mw_programs *programs = &part->asked->programs;
  for (const struct mw_list *node = programs->old.next; node != &programs->old; node = node->next) {
    add_jobs_of(part, MW_CONTAINER(node, struct mw_loaded_program, link)->program);
  }
  add_jobs_of(part, programs->current->program);
  if (part->n_jobs > SHOWN_JOBS) {
    mw_buf_printf(&part->jobs, "...\t%zu more on worker %u\n", part->n_jobs - SHOWN_JOBS, part->asked->index);
  }
}

/* Called for each snapshot, oldest first. */
static void add_snapshot(void *arg, const struct mw_store_hold *hold) {
  struct part *part = arg;
  if (++part->n_snapshots > SHOWN_SNAPSHOTS) return;
  char age[32], call[24] = "-";
  if (hold->call != 0) snprintf(call, sizeof call, "%" PRIu64, hold->call);
  mw_buf_printf(&part->snapshots, "%s\t%s\t%u\t%s\n", hold->name, show_age(part->now - hold->opened, age),
                part->asked->index, call);
}

static void add_snapshots(struct part *part) {
  mw_bind_list_snapshots(&part->asked->vm, add_snapshot, part);
  if (part->n_snapshots > SHOWN_SNAPSHOTS) {
    mw_buf_printf(&part->snapshots, "...\t%zu more on worker %u\n", part->n_snapshots - SHOWN_SNAPSHOTS,
                  part->asked->index);
  }
}

static void ask(void *arg, struct mw_worker *worker) {
  struct inquiry *inquiry = arg;
  struct part *part = &inquiry->parts[worker->index];
  int64_t now = mw_clock_mono();
  mw_buf_printf(&part->worker, "%u\t%" PRIu64 "\t%zu\t%zu\t%.1f MiB\t%.1f MiB\n", worker->index,
                worker->programs.current->generation->number, worker->dispatch.live, worker->vm.n_live,
                mib(worker->vm.memory.used - worker->vm.memory.outside), mib(worker->vm.memory.outside));
  add_old(&part->old, worker, now);
  add_calls(&part->calls, worker, now);
  part->asked = worker;
  part->now = now;
  add_jobs(part);
  add_snapshots(part);
}

/* ---- on the home loop ---- */

static void write_head(struct mw_buf *out, const struct inquiry *inquiry) {
  size_t resident = 0;
  uv_resident_set_memory(&resident);
  char age[32];
  mw_buf_printf(out, "moonwire " MW_VERSION ", process %d, up %s, %.1f MiB\n", (int)getpid(),
                show_age(mw_clock_mono() - inquiry->opened, age), mib(resident));
  mw_buf_printf(out, "generation %" PRIu64 "%s", mw_reload_running(inquiry->reload)->number,
                mw_reload_kept(inquiry->reload, 1) ? ", kept for rollback: " : "");
  const struct mw_generation *kept;
  for (unsigned i = 1; (kept = mw_reload_kept(inquiry->reload, i)) != NULL; i++) {
    mw_buf_printf(out, "%s%" PRIu64, i > 1 ? " " : "", kept->number);
  }
  mw_buf_putc(out, '\n');
  char activity[128];
  mw_reload_describe(inquiry->reload, activity, sizeof activity);
  if (mw_reload_busy(inquiry->reload)) mw_buf_printf(out, "%s\n", activity);
  size_t topics = mw_topics_bytes(inquiry->workers.workers[0].shared->topics);
  if (topics > 0) mw_buf_printf(out, "topics hold %.1f MiB\n", mib(topics));
}

/* Writes one table from the rows of the workers that have answered (NULL: all). Writes nothing without rows. */
static void write_table(struct mw_buf *out, const struct inquiry *inquiry, const bool *answered, const char *title,
                        size_t rows_at) {
  struct mw_buf rows = MW_BUF_INIT;
  mw_buf_puts(&rows, title);
  size_t empty = rows.len;
  for (unsigned i = 0; i < inquiry->workers.n_workers; i++) {
    if (answered && !answered[i]) continue;
    const struct mw_buf *part = (const struct mw_buf *)(const void *)((const char *)&inquiry->parts[i] + rows_at);
    mw_buf_append(&rows, mw_buf_str(part), part->len);
  }
  if (rows.len > empty) {
    mw_buf_putc(out, '\n');
    mw_table_write(out, mw_buf_str(&rows));
  }
  mw_buf_fini(&rows);
}

static void write_late(struct mw_buf *out, const struct inquiry *inquiry, const bool *answered) {
  for (unsigned i = 0; i < inquiry->workers.n_workers; i++) {
    if (!answered[i]) mw_buf_printf(out, "worker %u has not answered within %d ms\n", i, MW_BROADCAST_TIMEOUT_MS);
  }
}

/* Reports the rows of the workers that have answered (NULL: all). */
static void report(struct inquiry *inquiry, const bool *answered) {
  struct mw_buf out = MW_BUF_INIT;
  write_head(&out, inquiry);
  if (answered) write_late(&out, inquiry, answered);
  write_table(&out, inquiry, answered, "WORKER\tGENERATION\tCALLS\tCOROUTINES\tLUA MEMORY\tC MEMORY\n",
              offsetof(struct part, worker));
  write_table(&out, inquiry, answered, "OLD GENERATION\tWORKER\tREPLACED\tCOROUTINES\tPINNED BY CALLS\n",
              offsetof(struct part, old));
  write_table(&out, inquiry, answered, "CALL\tMETHOD\tAGE\tGENERATION\tWORKER\tPEER\tWAITS AT\n",
              offsetof(struct part, calls));
  write_table(&out, inquiry, answered, "JOBS PAUSE IN GENERATION\tWORKER\tHELD\tTIME LEFT\tLAST CUT AT\n",
              offsetof(struct part, pauses));
  write_table(&out, inquiry, answered, "JOB\tKIND\tAGE\tGENERATION\tWORKER\tWAITS AT\n", offsetof(struct part, jobs));
  write_table(&out, inquiry, answered, "SNAPSHOT OF\tAGE\tWORKER\tCALL\n", offsetof(struct part, snapshots));
  inquiry->done(inquiry->arg, true, mw_buf_str(&out));
  inquiry->done = NULL;
  mw_buf_fini(&out);
}

static void on_late(void *arg, const bool *answered) { report(arg, answered); }

static void finish(void *arg) {
  struct inquiry *inquiry = arg;
  if (inquiry->done) report(inquiry, NULL);
  for (unsigned i = 0; i < inquiry->workers.n_workers; i++) {
    struct part *part = &inquiry->parts[i];
    mw_buf_fini(&part->worker);
    mw_buf_fini(&part->old);
    mw_buf_fini(&part->calls);
    mw_buf_fini(&part->jobs);
    mw_buf_fini(&part->pauses);
    mw_buf_fini(&part->snapshots);
  }
  free(inquiry);
}

void mw_server_status(const struct mw_workers *workers, const struct mw_reload *reload, int64_t opened,
                      void (*done)(void *arg, bool ok, const char *text), void *arg) {
  struct inquiry *inquiry = calloc(1, sizeof *inquiry + workers->n_workers * sizeof *inquiry->parts);
  if (inquiry) {
    inquiry->workers = *workers;
    inquiry->reload = reload;
    inquiry->opened = opened;
    inquiry->done = done;
    inquiry->arg = arg;
    const struct mw_broadcast broadcast = {ask, finish, on_late};
    if (mw_broadcast(workers, &broadcast, inquiry) == 0) return;
  }
  free(inquiry);
  done(arg, false, "out of memory");
}
