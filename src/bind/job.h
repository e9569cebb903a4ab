/* Jobs and spawned functions of programs. */
#ifndef MW_BIND_JOB_H
#define MW_BIND_JOB_H

#include "bind/base/bind.h"

/* Starts the functions that the scripts registered with mw.spawn and mw.every. */
void mw_bind_start_jobs(struct mw_program *program);

/* Kinds of jobs and spawned functions. */
enum {
  MW_JOBS_OF_CALLS = 1,   /* spawned by calls, directly or through a spawned function */
  MW_JOBS_OF_RUNS = 2,    /* live runs of mw.every; while program->n_runs is not 0, also functions that runs spawned */
  MW_JOBS_BACKGROUND = 4, /* the rest: registered while the program loaded, or spawned by such a job */
  MW_JOBS_ALL = 7
};

/* Kills the program's jobs of these kinds. Each ends as soon as its wait allows. */
void mw_bind_stop_jobs(struct mw_program *program, unsigned kinds);

/* Call it before `to` replaces `from`. A job of `to` takes the due time of the same job of `from`, and waits for the
 * end of that job's run. Jobs match by name; else by file, period and order; else by file and order. */
void mw_bind_hand_over_jobs(struct mw_program *from, struct mw_program *to);

/* Abandons every fiber of the state (script/state/fiber.h). The state spawns no more. */
void mw_bind_abandon(struct mw_vm *vm);

/* A job or spawned function, for display. */
struct mw_bind_job {
  char name[96];   /* its name, or "FILE:LINE" where its function is defined */
  char place[256]; /* "FILE:LINE" where it waits; "" between two runs and before the first */
  int64_t period;  /* nanoseconds; 0 for a function that runs once */
  int64_t time;    /* mw_clock_mono(): the start of this run, or between two runs the start of the next */
  bool ready;      /* due, and waiting for its turn */
  uint64_t before; /* the generation whose run it waits for, or 0 */
  uint64_t call;   /* the call that has spawned it, or 0 */
};

/* Calls `show(arg, job)`, which runs no Lua, for the first `most` jobs of the program. Returns the number of its
 * jobs. */
size_t mw_bind_list_jobs(const struct mw_program *program, size_t most,
                         void (*show)(void *arg, const struct mw_bind_job *job), void *arg);

#endif
