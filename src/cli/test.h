/* moonwire test's inside, shared by the test_*.c files: one worker whose scripts are loaded anew for each test, and the
 * specs, which run in a fiber of a program of their own.
 *
 * The Lua module `moonwire.test` is made of what mw_test_process_open() and the openers below push, and of test.lua.
 * Functions that need the test have it as upvalue 1, a light userdata. */
#ifndef MW_CLI_TEST_H
#define MW_CLI_TEST_H

#include <signal.h>

#include "base/buf.h"
#include "server/worker.h"

struct clock;

struct mw_test {
  struct mw_worker worker;
  const char *copied_from;          /* of struct mw_overrides */
  struct mw_generation *generation; /* of the folder; borrowed */
  struct mw_program *specs;         /* what `require "moonwire"` is of in specs */
  struct mw_engine *inproc;         /* calls handlers of the worker's current program */
  struct mw_shared *shared;
  struct clock *clock;              /* the object that has stopped the clocks, or NULL; test_clock.c */
  struct mw_fiber *fiber;           /* of the specs; NULL before and after; test_stuck.c, as the next two */
  struct mw_timer *look;
  struct mw_buf stuck;              /* words for the error of a wait without an end */
  struct mw_buf name;               /* of the test that runs, with its place; "" for none */
  int64_t limit;                    /* nanoseconds that a test may take; 0 for no limit, -1 until known */
  int64_t since;                    /* mw_clock_real() when it began, or the last one ended */
  volatile sig_atomic_t interrupted; /* by SIGINT */
  struct mw_test_turn *pause;       /* the test.pause() under way, or NULL; test_clock.c, as the next */
  void (*end_pause)(struct mw_test *test); /* ends it */
  struct mw_list stores;            /* of earlier tests, still in use by what the collector has not found */
  pthread_mutex_t log_lock;         /* guards what follows */
  struct mw_buf log;                /* lines since the test began */
  bool quiet;                       /* they are kept, and not written */

  int argc;
  char **argv; /* busted's arguments */
  int code;    /* the exit code, -1 until known */
  struct mw_post start;
};

static inline struct mw_test *mw_test_of(lua_State *L) { return lua_touserdata(L, lua_upvalueindex(1)); }

/* Something that a spec waits for while it is done outside of all fibers, where scripts can be loaded and handlers can
 * run. In a userdata on the spec's stack. */
struct mw_test_turn {
  struct mw_post post;
  struct mw_test *test;
  struct mw_fiber *fiber;
  lua_KFunction k;
  struct mw_err err;      /* raised in the spec when it is set */
  void (*run)(struct mw_test_turn *turn); /* calls mw_test_turn_end() at the end, or later */
};

/* Suspends the fiber until the turn, at the top of the stack, has ended; then `k` gets it as its context, unless it has
 * an error. */
int mw_test_turn_wait(lua_State *L, struct mw_test_turn *turn, const char *what, lua_KFunction k);
void mw_test_turn_end(struct mw_test_turn *turn);

/* Has this process, the first of its group, end with the process of number `parent`, its own, however that ends: with
 * all of its group, SIGTERM likewise. Returns false when it cannot. */
bool mw_test_leash(const char *parent);

/* Adds functions to the table at the top. */
void mw_test_clock_open(lua_State *L, struct mw_test *test);   /* clock, settle; test_clock.c */
void mw_test_world_open(lua_State *L, struct mw_test *test);   /* begin, finish; test_world.c */
void mw_test_inspect_open(lua_State *L, struct mw_test *test); /* client, disconnect, calls, logs, require */

void mw_test_watch_open(lua_State *L, struct mw_test *test);   /* begins; test_stuck.c */

/* While the specs run in `fiber`: fails a wait of theirs that nothing is left to end, or of a test beyond its limit, and ends
 * them at SIGINT. */
void mw_test_watch_start(struct mw_test *test, struct mw_fiber *fiber);
void mw_test_watch_stop(struct mw_test *test);

/* True once the test has taken longer than its limit. */
bool mw_test_is_overdue(const struct mw_test *test);

/* Raises the error for that, in the spec. */
int mw_test_raise_overdue(lua_State *L, struct mw_test *test);

/* Reports on stderr that SIGINT has ended the specs in a test that "waits" or "runs" at `place`. */
void mw_test_report_interrupt(struct mw_test *test, const char *verb, const char *place);

/* Lets the clocks go if a spec has stopped them. */
void mw_test_clock_release(struct mw_test *test);

/* Closes the stores of earlier tests: all of them, or those not in use. */
void mw_test_close_stores(struct mw_test *test, bool all);

#endif
