/* Decides when to call `changed`, from the times of the first and the last event since the last call. watch_set.c
 * decides which folders to watch.
 *
 * One timer serves all: it is set for the earliest due time and computes that again when it fires, because more
 * events may have come meanwhile. */
#include "loop/file_watch.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "loop/file_watch_set.h"

struct mw_watch {
  struct mw_loop *loop;
  uv_timer_t timer;
  uv_poll_t poll;
  unsigned handles;        /* of `timer` and `poll`, not closed yet */
  struct mw_watch_set set; /* valid while `open` */
  bool open;
  bool stale;            /* names have changed, or the last scan failed: scan before the next `changed` */
  struct mw_err problem; /* error of the last scan */
  char **paths;
  size_t n_paths;
  int64_t quiet, limit; /* nanoseconds */
  int64_t first, last;  /* first and last event since the last `changed`; `first` is MW_NEVER if there is none */
  int64_t look;         /* when to call `changed` because the set is incomplete; else MW_NEVER */
  void (*changed)(void *arg);
  void *arg;
};

static int64_t min_time(int64_t a, int64_t b) { return a < b ? a : b; }

static int64_t due_at(const struct mw_watch *watch) {
  if (watch->first == MW_NEVER) return watch->look;
  return min_time(watch->look, min_time(watch->last + watch->quiet, watch->first + watch->limit));
}

static void on_timer(uv_timer_t *timer);

static void set_timer(struct mw_watch *watch) {
  int64_t due = due_at(watch);
  if (due == MW_NEVER) return;
  int64_t left = due - mw_clock_mono();
  uv_update_time(&watch->loop->uv); /* the loop caches the time of its last turn */
  uv_timer_start(&watch->timer, on_timer, left > 0 ? (uint64_t)((left + MW_NS_PER_MS - 1) / MW_NS_PER_MS) : 0, 0);
}

/* ---- events ---- */

/* Returns true if events have come. */
static bool take_events(struct mw_watch *watch) {
  unsigned found = watch->open ? mw_watch_set_read(&watch->set) : 0;
  if (found == 0) return false;
  if (found & MW_WATCH_RENAMED) watch->stale = true;
  watch->last = mw_clock_mono();
  if (watch->first == MW_NEVER) watch->first = watch->last;
  return true;
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  struct mw_watch *watch = MW_CONTAINER(poll, struct mw_watch, poll);
  if (take_events(watch)) set_timer(watch);
}

static int open_set(struct mw_watch *watch) {
  int rc = mw_watch_set_init(&watch->set, &watch->problem);
  if (rc != 0) return rc;
  int status = uv_poll_init(&watch->loop->uv, &watch->poll, watch->set.fd);
  if (status == 0) {
    uv_poll_start(&watch->poll, UV_READABLE, on_readable); /* fails only while the handle is closing */
    watch->poll.data = watch;
    watch->handles++;
    watch->open = true;
    return 0;
  }
  mw_watch_set_fini(&watch->set);
  return mw_err_set(&watch->problem, MW_EIO, "cannot watch files: %s", uv_strerror(status));
}

/* Returns true if the set has new folders. */
static bool scan(struct mw_watch *watch) {
  bool grew = false;
  mw_err_fini(&watch->problem);
  int rc = watch->open ? 0 : open_set(watch);
  if (rc == 0) {
    rc = mw_watch_set_scan(&watch->set, (const char *const *)watch->paths, watch->n_paths, &grew, &watch->problem);
  }
  watch->stale = rc != 0;
  watch->look = rc != 0 ? mw_clock_mono() + (int64_t)MW_FILE_WATCH_POLL_MS * MW_NS_PER_MS : MW_NEVER;
  return grew;
}

/* ---- calling `changed` ---- */

static void tell(struct mw_watch *watch) {
  bool grew = watch->stale && scan(watch);
  int64_t now = mw_clock_mono();
  if (grew && watch->first != MW_NEVER && now < watch->first + watch->limit) {
    watch->last = now; /* the new folders may still be filling */
    set_timer(watch);
    return;
  }
  watch->first = MW_NEVER;
  set_timer(watch);
  watch->changed(watch->arg);
}

static void on_timer(uv_timer_t *timer) {
  struct mw_watch *watch = MW_CONTAINER(timer, struct mw_watch, timer);
  take_events(watch); /* libuv runs timers before it polls */
  if (mw_clock_mono() < due_at(watch)) {
    set_timer(watch);
  } else {
    tell(watch);
  }
}

const char *mw_watch_problem(const struct mw_watch *watch) {
  return watch->problem.code != 0 ? mw_err_text(&watch->problem) : NULL;
}

/* ---- beginning and end ---- */

static void free_watch(struct mw_watch *watch) {
  for (size_t i = 0; i < watch->n_paths; i++) free(watch->paths[i]);
  free(watch->paths);
  mw_err_fini(&watch->problem);
  free(watch);
}

static void on_closed(uv_handle_t *handle) {
  struct mw_watch *watch = handle->data;
  if (--watch->handles == 0) free_watch(watch);
}

static int copy_paths(struct mw_watch *watch, const struct mw_watch_options *options) {
  watch->paths = calloc(options->n_paths + 1, sizeof *watch->paths);
  if (!watch->paths) return MW_ENOMEM;
  for (; watch->n_paths < options->n_paths; watch->n_paths++) {
    watch->paths[watch->n_paths] = strdup(options->paths[watch->n_paths]);
    if (!watch->paths[watch->n_paths]) return MW_ENOMEM;
  }
  return 0;
}

int mw_watch_new(struct mw_watch **out, struct mw_loop *loop, const struct mw_watch_options *options,
                 struct mw_err *err) {
  struct mw_watch *watch = calloc(1, sizeof *watch);
  if (!watch) return mw_err_set(err, MW_ENOMEM, "cannot watch files: out of memory");
  watch->loop = loop;
  watch->quiet = (int64_t)(options->quiet_ms ? options->quiet_ms : MW_WATCH_QUIET_MS) * MW_NS_PER_MS;
  watch->limit = (int64_t)(options->limit_ms ? options->limit_ms : MW_WATCH_LIMIT_MS) * MW_NS_PER_MS;
  watch->first = MW_NEVER;
  watch->changed = options->changed;
  watch->arg = options->arg;
  if (copy_paths(watch, options) != 0) {
    free_watch(watch);
    return mw_err_set(err, MW_ENOMEM, "cannot watch files: out of memory");
  }
  uv_timer_init(&loop->uv, &watch->timer);
  watch->timer.data = watch;
  watch->handles = 1;
  scan(watch);
  set_timer(watch);
  *out = watch;
  return 0;
}

void mw_watch_close(struct mw_watch *watch) {
  if (!watch) return;
  uv_close((uv_handle_t *)&watch->timer, on_closed);
  if (!watch->open) return;
  uv_close((uv_handle_t *)&watch->poll, on_closed);
  mw_watch_set_fini(&watch->set);
}
