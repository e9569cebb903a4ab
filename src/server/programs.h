/* The programs of one worker: the current one, a candidate beside it, and those before it that calls still run.
 *
 * A candidate is loaded while the current program serves, and then adopted or discarded. From its adoption on, new
 * calls are routed by it. The program before goes on with the calls and the runs of mw.every that it has, and with
 * what those have spawned; its other jobs end at once, and it is freed when its last call and run have ended.
 *
 * The built-in services belong to no program: their calls, among them streams that stay open for days, pin none, and are
 * answered by the program that is current.
 *
 * The settings of the current program's generation are in force for the worker as a whole: for calls of the ones
 * before too, but for the time that a coroutine may run, which it is given when it starts. A candidate is loaded within
 * its own limits. On the worker's thread. */
#ifndef MW_SERVER_PROGRAMS_H
#define MW_SERVER_PROGRAMS_H

#include "bind/bind.h"
#include "server/generation.h"
#include "server/health.h"
#include "server/reflection.h"

struct mw_loaded {
  struct mw_list link; /* in `old` */
  struct mw_generation *generation; /* a reference */
  struct mw_program *program;
  int64_t replaced; /* mw_clock_mono() when another took its place; 0 before */
  bool had_runs;    /* of mw.every, under way at that time; what they have spawned is still to be stopped */
};

struct mw_programs {
  struct mw_vm *vm;             /* borrowed, like what follows */
  struct mw_host *host;
  struct mw_dispatch *dispatch;
  struct mw_health health;
  struct mw_reflection reflection;
  struct mw_router builtin;     /* the routes of the built-in services, which the programs share */
  struct mw_loaded *current;    /* NULL before the first */
  struct mw_loaded *candidate;  /* NULL when there is none */
  struct mw_list old;
  struct mw_timer *sweep;       /* frees what is in `old` */
  struct mw_metric *live_gauge; /* shows how many there are; may be NULL */
};

/* Borrows all; `builtin` is a pool that has every built-in service. Returns 0 or MW_ENOMEM; to be finished in any case. */
int mw_programs_init(struct mw_programs *programs, struct mw_vm *vm, struct mw_host *host,
                     struct mw_dispatch *dispatch, const struct mw_pool *builtin, struct mw_err *err);

/* Loads `generation` as the candidate, which there must not be. Findings are "FILE:LINE: message". Returns 0 or the
 * error, with nothing changed. */
int mw_programs_prepare(struct mw_programs *programs, struct mw_generation *generation, struct mw_err *err);

/* Makes the candidate the current program; its jobs start when `start_jobs`. Nothing happens without a candidate. */
void mw_programs_adopt(struct mw_programs *programs, bool start_jobs);

/* Forgets the candidate, if there is one. */
void mw_programs_discard(struct mw_programs *programs);

/* Kills every job and spawned function of every program. */
void mw_programs_stop_jobs(struct mw_programs *programs);

/* Ends the streams of the built-in services: the server drains. */
void mw_programs_stop_builtin(struct mw_programs *programs);

/* No call and no fiber is live. */
void mw_programs_fini(struct mw_programs *programs);

#endif
