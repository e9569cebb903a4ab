/* Internals of moonwire test, shared by the test_*.c files: one worker, whose scripts are loaded anew for each test,
 * and the specs, which run in a fiber of a program of their own.
 *
 * mw_test_process_open(), the openers below and test.lua make the Lua module `moonwire.test`. Functions that need the
 * test have it as upvalue 1, a light userdata. */
#ifndef MW_CLI_TEST_TEST_H
#define MW_CLI_TEST_TEST_H

#include <signal.h>

#include "base/buf.h"
#include "server/worker/worker.h"

struct clock;

struct mw_test {
  struct mw_worker worker;
  const char *copied_from;          /* see struct mw_overrides */
  struct mw_generation *generation; /* generation of the folder; borrowed */
  struct mw_program *specs;         /* program whose module `moonwire` the specs require */
  struct mw_engine *inproc;         /* calls handlers of the worker's current program */
  struct mw_worker_shared *shared;
  struct clock *clock;    /* the object that has stopped the clocks, or NULL; for test_clock.c */
  struct mw_fiber *fiber; /* of the specs; NULL before and after; this and the next two for test_stuck.c */
  struct mw_timer *look;
  struct mw_buf stuck;               /* error text for a wait that cannot end */
  struct mw_buf name;                /* name and place of the running test; "" for none */
  int64_t limit;                     /* nanoseconds that a test may take; 0 for no limit, -1 until set */
  int64_t since;                     /* mw_clock_real() at the start of the test, or at the end of the previous one */
  volatile sig_atomic_t interrupted; /* set by SIGINT */
  struct mw_test_task *pause;        /* the test.pause() under way, or NULL; this and the next for test_clock.c */
  void (*end_pause)(struct mw_test *test); /* ends `pause` */
  struct mw_list stores;    /* stores of earlier tests, referenced by objects that are not yet collected */
  pthread_mutex_t log_lock; /* guards `log` and `quiet` */
  struct mw_buf log;        /* lines since the start of the test */
  bool quiet;               /* keep log lines without writing them */

  int argc;
  char **argv; /* busted's arguments */
  int code;    /* exit code; -1 until set */
  struct mw_post start;
};

static inline struct mw_test *mw_test_of(lua_State *L) { return lua_touserdata(L, lua_upvalueindex(1)); }

/* A task that a spec waits for. It runs outside of all fibers, where scripts can be loaded and handlers can run. It
 * lies in a userdata on the spec's stack. */
struct mw_test_task {
  struct mw_post post;
  struct mw_test *test;
  struct mw_fiber *fiber;
  lua_KFunction k;
  struct mw_err err;                      /* raised in the spec if set */
  void (*run)(struct mw_test_task *turn); /* calls mw_test_task_end() when it is done, or later */
};

/* Suspends the fiber until the turn, at the top of the stack, has ended. Then raises its error, or calls `k` with the
 * turn as its context. */
int mw_test_task_wait(lua_State *L, struct mw_test_task *turn, const char *what, lua_KFunction k);
void mw_test_task_end(struct mw_test_task *turn);

/* Makes this process, the leader of its group, end with its whole group when its parent, process `parent`, ends for any
 * reason, and at SIGTERM. Returns false on failure. */
bool mw_test_end_with_parent(const char *parent);

/* Add functions to the table at the top. */
void mw_test_clock_open(lua_State *L, struct mw_test *test);   /* clock, settle; test_clock.c */
void mw_test_world_open(lua_State *L, struct mw_test *test);   /* begin, finish; test_world.c */
void mw_test_inspect_open(lua_State *L, struct mw_test *test); /* client, disconnect, calls, logs, require */

void mw_test_watch_open(lua_State *L, struct mw_test *test); /* begins; test_stuck.c */

/* Watches the specs in `fiber`. Fails a wait that nothing can end, or that exceeds the limit of its test. Ends the
 * specs at SIGINT. */
void mw_test_watch_start(struct mw_test *test, struct mw_fiber *fiber);
void mw_test_watch_stop(struct mw_test *test);

/* True once the test has taken longer than its limit. */
bool mw_test_is_overdue(const struct mw_test *test);

/* Raises the error of an overdue test in the spec. */
int mw_test_raise_overdue(lua_State *L, struct mw_test *test);

/* Reports on stderr that SIGINT has ended the specs, in a test that "waits" or "runs" at `place`. */
void mw_test_report_interrupt(struct mw_test *test, const char *verb, const char *place);

/* Starts the clocks again if a spec has stopped them. */
void mw_test_clock_release(struct mw_test *test);

/* Closes the stores of earlier tests: all of them, or only unused ones. */
void mw_test_close_stores(struct mw_test *test, bool all);

#endif
