#include "bind/files/work.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "bind/base/bind.h"
#include "script/state/collect.h"

#define WORK "moonwire.Work"

static void release(struct mw_work *work) {
  if (work->release) work->release(work);
  if (work->reserved > 0) atomic_fetch_sub_explicit(work->total_reserved, work->reserved, memory_order_relaxed);
  work->reserved = 0;
}

bool mw_work_reserve(struct mw_work *work, size_t bytes) {
  atomic_size_t *total = work->total_reserved;
  size_t before = atomic_fetch_add_explicit(total, bytes, memory_order_relaxed);
  if (work->limit > 0 && (before > work->limit || bytes > work->limit - before)) {
    atomic_fetch_sub_explicit(total, bytes, memory_order_relaxed);
    return false;
  }
  work->reserved += bytes;
  return true;
}

static int l_gc(lua_State *L) {
  release(lua_touserdata(L, 1));
  return 0;
}

void *mw_work_push(lua_State *L, size_t size, const char *what) {
  static const luaL_Reg metamethods[] = {{"__gc", l_gc}, {NULL, NULL}};
  struct mw_fiber *fiber = mw_fiber_check(L, what);
  struct mw_work *work = lua_newuserdatauv(L, size, 0);
  memset(work, 0, size);
  work->fiber = fiber;
  work->limit = fiber->vm->limits.memory;
  work->total_reserved = &fiber->vm->held_by_works;
  mw_bind_push_type(L, WORK, NULL, metamethods);
  lua_setmetatable(L, -2);
  return work;
}

static struct mw_work *work_of(uv_work_t *request) { return MW_CONTAINER(request, struct mw_work, request); }

static void run(uv_work_t *request) {
  struct mw_work *work = work_of(request);
  work->error = work->run(work);
}

static void run_release(uv_work_t *request) {
  struct mw_work *work = work_of(request);
  release(work);
  work->release = NULL;
}

static void set_busy(struct mw_work *work, bool busy) {
  if (work->busy) *work->busy = busy;
}

/* Drops the outcome of a killed fiber. */
static void drop(void *arg) {
  struct mw_work *work = arg;
  set_busy(work, false);
  release(work);
}

/* The fiber owns the outcome until it goes on, which may be turns later. The work stays busy. */
static void resume(struct mw_post *post) {
  struct mw_work *work = MW_CONTAINER(post, struct mw_work, post);
  if (mw_fiber_will_raise(work->fiber)) {
    drop(work);
  } else {
    mw_fiber_set_cancel(work->fiber, drop, work);
  }
  mw_fiber_wake(work->fiber);
}

static void on_done(uv_work_t *request, int status) {
  struct mw_work *work = work_of(request);
  work->post.run = resume;
  mw_loop_post(work->fiber->vm->loop, &work->post);
}

/* If the fiber will not take the outcome, releases it on the pool. It may be a file: an idle worker would not collect
 * it, and closing or removing it may block. */
static void on_run(uv_work_t *request, int status) {
  struct mw_work *work = work_of(request);
  if (work->release && mw_fiber_will_raise(work->fiber)) {
    uv_queue_work(request->loop, request, run_release, on_done);
  } else {
    on_done(request, status);
  }
}

/* Counts it in a metric, and logs it at most once a second. */
static void report_shortage(lua_State *L, int error) {
  static _Atomic int64_t last;
  const struct mw_program *program = mw_fiber_program(L);
  struct mw_metrics *metrics = program ? program->host->metrics : NULL;
  const struct mw_metric_definition exhausted = {
      .kind = MW_METRIC_COUNTER,
      .name = "moonwire_descriptors_exhausted_total",
      .help = "File operations of scripts that found no free file descriptor."};
  struct mw_metric *counter = metrics ? mw_metrics_open(metrics, &exhausted, NULL) : NULL;
  if (counter) mw_metric_add(counter, 1);
  int64_t now = mw_clock_real(), before = atomic_load(&last);
  if (before != 0 && now < before + MW_NS_PER_S) return;
  if (!atomic_compare_exchange_strong(&last, &before, now)) return;
  mw_log(MW_LOG_WARN, NULL,
         "no file descriptor is free (%s): closing files that scripts no longer reference; "
         "close files, or raise the limit of open files",
         strerror(error));
}

/* True if the work failed for lack of a descriptor and is to run again. */
static bool lacked_descriptor(lua_State *L, struct mw_work *work) {
  if (work->error != EMFILE && work->error != ENFILE) return false;
  report_shortage(L, work->error);
  if (work->again) return false;
  work->again = true;
  release(work);
  mw_collect_now(L);
  return true;
}

static int after_work(lua_State *L, int status, lua_KContext context) {
  struct mw_work *work = (struct mw_work *)context;
  set_busy(work, false);
  if (lacked_descriptor(L, work)) return mw_work_wait(L, work);
  int n_results = work->deliver(L, work);
  release(work);
  return n_results;
}

int mw_work_wait(lua_State *L, struct mw_work *work) {
  uv_queue_work(&work->fiber->vm->loop->uv, &work->request, run, on_run); /* fails only without a `run` */
  set_busy(work, true);
  return mw_fiber_wait(L, work->fiber, NULL, NULL, after_work, (lua_KContext)work);
}
