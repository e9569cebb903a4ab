#include "bind/work.h"

#include <string.h>

#include "bind/bind.h"

#define WORK "moonwire.Work"

static void release(struct mw_work *work) {
  if (work->release) work->release(work);
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
  mw_bind_push_type(L, WORK, NULL, metamethods);
  lua_setmetatable(L, -2);
  return work;
}

static struct mw_work *work_of(uv_work_t *request) { return MW_CONTAINER(request, struct mw_work, request); }

static void run(uv_work_t *request) {
  struct mw_work *work = work_of(request);
  work->error = work->run(work);
}

static void run_release(uv_work_t *request) { release(work_of(request)); }

static void on_done(uv_work_t *request, int status) {
  struct mw_work *work = work_of(request);
  if (work->busy) *work->busy = false;
  mw_fiber_resume(work->fiber);
}

/* What the fiber will not take is not left to the collector: it may be a file, and a worker that is idle collects nothing.
 * To close or remove one takes its time, too. */
static void on_run(uv_work_t *request, int status) {
  struct mw_work *work = work_of(request);
  if (work->release && mw_fiber_will_raise(work->fiber)) {
    uv_queue_work(request->loop, request, run_release, on_done);
  } else {
    on_done(request, status);
  }
}

static int after_work(lua_State *L, int status, lua_KContext context) {
  struct mw_work *work = (struct mw_work *)context;
  int n_results = work->deliver(L, work);
  release(work);
  return n_results;
}

int mw_work_wait(lua_State *L, struct mw_work *work) {
  uv_queue_work(&work->fiber->vm->loop->uv, &work->request, run, on_run); /* fails for no `run` alone */
  if (work->busy) *work->busy = true;
  return mw_fiber_wait(L, work->fiber, NULL, NULL, after_work, (lua_KContext)work);
}
