/* The start and the end of each test. At the start: the folder's scripts in a fresh environment, an empty store, no
 * states, no log lines. At the end: no call, job or spawned function still runs. */
#include <stdlib.h>

#include "base/clock.h"
#include "bind/base/bind.h"
#include "bind/base/state.h"
#include "bind/call/handler.h"
#include "bind/job.h"
#include "cli/test/test.h"

enum { LOOK_AGAIN_NS = MW_NS_PER_MS };
#define PATIENCE (5 * (int64_t)MW_NS_PER_S)

/* ---- the end of a test ---- */

struct finish {
  struct mw_test_task turn;
  int64_t until; /* mw_clock_real() time */
};

/* Reports the calls and functions that still run. */
static void fail_left(struct mw_test *test, struct mw_err *err) {
  const struct mw_list *calls = &test->worker.dispatch.calls;
  for (const struct mw_list *node = calls->next; node != calls; node = node->next) {
    const struct mw_call *call = MW_CONTAINER(node, struct mw_call, link);
    char place[256];
    mw_bind_call_place(call, place, sizeof place);
    mw_err_add(err, MW_EBUSY, "the call of %s outlives the test: it waits at %s", call->route->method->path + 1, place);
  }
  size_t calls_left = test->worker.dispatch.live;
  size_t fibers = test->worker.programs.current->program->n_fibers + test->specs->n_fibers - 1;
  if (fibers > calls_left) {
    mw_err_add(err, MW_EBUSY, "%zu jobs or spawned functions outlive the test", fibers - calls_left);
  }
}

static bool has_ended(const struct mw_test *test) {
  const struct mw_worker *worker = &test->worker;
  /* The specs' own fiber remains. */
  return worker->dispatch.live == 0 && worker->programs.current->program->n_fibers == 0 && test->specs->n_fibers == 1;
}

/* Polls: cancelled functions may wait, and spawn more. */
static void finish(void *arg) {
  struct finish *f = arg;
  struct mw_test *test = f->turn.test;
  mw_dispatch_cancel_all(&test->worker.dispatch, mw_status(MW_CODE_UNAVAILABLE, "the test has ended"));
  mw_programs_stop_jobs(&test->worker.programs);
  mw_bind_stop_jobs(test->specs, MW_JOBS_ALL);
  mw_loop_run_posts(&test->worker.loop);
  if (!has_ended(test) && mw_clock_real() < f->until) {
    if (mw_timer_start_real(&test->worker.loop, LOOK_AGAIN_NS, finish, f)) return;
  }
  if (!has_ended(test)) fail_left(test, &f->turn.err);
  test->since = mw_clock_real();
  mw_test_task_end(&f->turn);
}

static void run_finish(struct mw_test_task *turn) {
  mw_test_clock_release(turn->test);
  finish(MW_CONTAINER(turn, struct finish, turn));
}

static int after_turn(lua_State *L, int status, lua_KContext context) { return 0; }

/* finish(): after each test */
static int l_finish(lua_State *L) {
  struct finish *f = lua_newuserdatauv(L, sizeof *f, 0);
  *f = (struct finish){{.test = mw_test_of(L), .err = MW_ERR_INIT, .run = run_finish}, mw_clock_real() + PATIENCE};
  return mw_test_task_wait(L, &f->turn, "the end of a test", after_turn);
}

/* ---- the store ---- */

struct old_store {
  struct mw_list link; /* in test->stores */
  struct mw_store *store;
};

void mw_test_close_stores(struct mw_test *test, bool all) {
  struct mw_list *next;
  for (struct mw_list *node = test->stores.next; node != &test->stores; node = next) {
    next = node->next;
    struct old_store *old = MW_CONTAINER(node, struct old_store, link);
    if (!all && mw_store_in_use(old->store)) continue;
    mw_list_remove(node);
    mw_store_close(old->store);
    free(old);
  }
}

static int collect(lua_State *L) {
  lua_gc(L, LUA_GCCOLLECT);
  return 0;
}

/* Replaces a store that was written to with an empty one. The old store stays open while scans and watches of a spec
 * use it, until the collector finds them. */
static int replace_store(struct mw_test *test, struct mw_err *err) {
  struct mw_worker_shared *shared = test->shared;
  if (mw_store_commits(shared->store) == 0) return 0;
  struct mw_store_options options = {.path = ":memory:", .map_size = shared->settings->store_bytes};
  struct mw_store *store;
  struct old_store *old = malloc(sizeof *old);
  if (!old) return mw_err_set(err, MW_ENOMEM, "out of memory");
  int rc = mw_store_open(&store, &options, err);
  if (rc != 0) {
    free(old);
    return rc;
  }
  mw_store_flush(shared->store);
  old->store = shared->store;
  mw_list_init(&old->link);
  mw_list_push(&test->stores, &old->link);
  shared->store = test->worker.host.store = store;
  mw_vm_protect(&test->worker.vm, collect, NULL, NULL);
  mw_test_close_stores(test, false);
  return 0;
}

/* ---- the beginning of a test ---- */

static int forget_states(lua_State *L) {
  mw_bind_forget_states(L);
  return 0;
}

static void set_quiet(struct mw_test *test, bool quiet) {
  pthread_mutex_lock(&test->log_lock);
  test->quiet = quiet;
  pthread_mutex_unlock(&test->log_lock);
}

/* Discards log lines of the loading scripts: the first load has logged them. */
static void load_scripts(struct mw_test *test, struct mw_err *err) {
  struct mw_programs *programs = &test->worker.programs;
  int rc = mw_vm_protect(&test->worker.vm, forget_states, NULL, err);
  set_quiet(test, true);
  if (rc == 0) rc = mw_programs_prepare(programs, test->generation, err);
  set_quiet(test, false);
  if (rc == 0) mw_programs_adopt(programs, true);
}

static void run_begin(struct mw_test_task *turn) {
  struct mw_test *test = turn->test;
  int rc = replace_store(test, &turn->err);
  pthread_mutex_lock(&test->log_lock);
  mw_buf_clear(&test->log);
  pthread_mutex_unlock(&test->log_lock);
  if (rc == 0) load_scripts(test, &turn->err);
  test->since = mw_clock_real(); /* the limit does not include the loading of scripts */
  mw_test_task_end(turn);
}

/* begin(): before each test */
static int l_begin(lua_State *L) {
  struct mw_test_task *turn = lua_newuserdatauv(L, sizeof *turn, 0);
  *turn = (struct mw_test_task){.test = mw_test_of(L), .err = MW_ERR_INIT, .run = run_begin};
  return mw_test_task_wait(L, turn, "the beginning of a test", after_turn);
}

void mw_test_world_open(lua_State *L, struct mw_test *test) {
  static const luaL_Reg functions[] = {{"begin", l_begin}, {"finish", l_finish}, {NULL, NULL}};
  lua_pushlightuserdata(L, test);
  luaL_setfuncs(L, functions, 1);
}
