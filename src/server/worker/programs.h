/* The programs of one worker: the current one, a candidate beside it, and previous ones that calls still run.
 *
 * A candidate is loaded while the current program serves, and then adopted or discarded. Once it is adopted, it routes
 * new calls. The previous program continues with its live calls and runs of mw.every, and with the functions that they
 * have spawned. Its other jobs end at once. It is freed when its last call and run have ended.
 *
 * The built-in services belong to no program. Their calls, among them streams that stay open for days, keep no program
 * alive; the current program answers them.
 *
 * The settings of the current program's generation are in force for the whole worker, so for calls of previous programs
 * too. One exception is the time that a coroutine may run, which it gets when it starts. A candidate is loaded within
 * its own limits. On the worker's thread. */
#ifndef MW_SERVER_WORKER_PROGRAMS_H
#define MW_SERVER_WORKER_PROGRAMS_H

#include "bind/base/bind.h"
#include "server/generation/generation.h"
#include "server/services/health.h"
#include "server/services/reflection.h"

struct mw_loaded_program {
  struct mw_list link;              /* in `old` */
  struct mw_generation *generation; /* a reference */
  struct mw_program *program;
  int64_t replaced; /* mw_clock_mono() at its replacement; 0 before */
  bool had_runs;    /* at the last sweep it had runs of mw.every; functions spawned by them may remain */
};

struct mw_programs {
  struct mw_vm *vm; /* borrowed, like the next two */
  struct mw_host *host;
  struct mw_dispatch *dispatch;
  struct mw_health health;
  struct mw_reflection reflection;
  struct mw_router builtin;            /* routes of the built-in services, shared by the programs */
  struct mw_loaded_program *current;   /* NULL before the first */
  struct mw_loaded_program *candidate; /* NULL without one */
  struct mw_list old;
  struct mw_timer *sweep;       /* frees programs of `old` */
  struct mw_metric *live_gauge; /* number of programs, without the candidate; may be NULL */
};

/* Borrows all arguments. `builtin` is a pool with every built-in service. Returns 0 or MW_ENOMEM. The caller calls
 * mw_programs_fini() in both cases. */
int mw_programs_init(struct mw_programs *programs, struct mw_vm *vm, struct mw_host *host, struct mw_dispatch *dispatch,
                     const struct mw_pool *builtin, struct mw_err *err);

/* Loads `generation` as the candidate. There must not be one. Findings are "FILE:LINE: message". Returns 0 or an error,
 * with nothing changed. */
int mw_programs_prepare(struct mw_programs *programs, struct mw_generation *generation, struct mw_err *err);

/* Makes the candidate the current program, and starts its jobs if `start_jobs`. Does nothing without a candidate. */
void mw_programs_adopt(struct mw_programs *programs, bool start_jobs);

/* Discards the candidate, if there is one. */
void mw_programs_discard(struct mw_programs *programs);

/* Cancels every job and spawned function of every program. */
void mw_programs_stop_jobs(struct mw_programs *programs);

/* Ends the streams of the built-in services, for a drain. */
void mw_programs_stop_builtin(struct mw_programs *programs);

/* Requires that no call and no fiber is live. */
void mw_programs_fini(struct mw_programs *programs);

#endif
