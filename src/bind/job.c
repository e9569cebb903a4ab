/* mw.sleep, mw.spawn, mw.every: work beside the calls.
 *
 * A job is a function that runs in a fiber of its own: once (spawn) or again and again (every). Jobs belong to their
 * program: those registered while it loads start when it does, and all are killed when it ends. A job is a userdata, so
 * that the memory of many counts for the limit of the scripts; its user value is the function.
 *
 * Starts, ends of sleeps and kills go through the ready queue: any number of them may be due at one moment. Only a
 * function that is spawned by code which itself was resumed by the loop begins within that code's run. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "bind/bind.h"
#include "script/traceback.h"

struct job {
  struct mw_list link; /* in program->jobs */
  struct mw_ready ready; /* to be started, or killed */
  struct mw_program *program;
  int ref;                /* registry: the job itself */
  int64_t period;         /* nanoseconds; 0 for a job that runs once */
  int64_t due;            /* mw_clock_mono() of the next run */
  int64_t started;        /* and of the last one */
  uint64_t call;          /* that has spawned it; 0 for none */
  struct mw_timer *timer; /* that starts the next run, NULL while it runs */
  struct mw_fiber *fiber; /* NULL while it does not run */
  bool queued;            /* its run was started by the ready queue */
  bool background;        /* registered while the program loaded, or spawned by such a job: not for a call */
  bool stopped;           /* no further run */
};

/* ---- mw.sleep ---- */

struct sleeper {
  struct mw_ready ready;
  struct mw_timer *timer; /* NULL once it has fired */
  struct mw_fiber *fiber;
};

static void wake(struct mw_ready *ready) { mw_fiber_resume(MW_CONTAINER(ready, struct sleeper, ready)->fiber); }

static void on_alarm(void *arg) {
  struct sleeper *sleeper = arg;
  sleeper->timer = NULL;
  mw_ready_run(&sleeper->fiber->vm->ready, &sleeper->ready, sleeper->fiber->log.method != NULL);
}

static void stop_sleeping(void *arg) {
  struct sleeper *sleeper = arg;
  mw_timer_stop(sleeper->timer);
  mw_ready_remove(&sleeper->ready);
}

static int after_sleep(lua_State *L, int status, lua_KContext context) { return 0; }

/* Checks a duration in seconds at `index` and returns it in nanoseconds. */
static int64_t check_seconds(lua_State *L, int index) {
  lua_Number seconds = luaL_checknumber(L, index);
  luaL_argcheck(L, seconds >= 0 && seconds <= 1e9, index, "expected seconds from 0 to 1e9");
  return mw_span_of_seconds(seconds);
}

static int l_sleep(lua_State *L) {
  int64_t delay = check_seconds(L, 1);
  struct mw_fiber *fiber = mw_fiber_check(L, "mw.sleep");
  struct sleeper *sleeper = lua_newuserdatauv(L, sizeof *sleeper, 0);
  sleeper->ready.run = wake;
  mw_list_init(&sleeper->ready.link);
  sleeper->fiber = fiber;
  sleeper->timer = mw_timer_start(fiber->vm->loop, delay, on_alarm, sleeper);
  if (!sleeper->timer) return luaL_error(L, "mw.sleep: out of memory");
  return mw_fiber_wait(L, fiber, stop_sleeping, sleeper, after_sleep, 0);
}

/* ---- running ---- */

static void schedule(struct job *job);

/* The collector frees the job itself. */
static void drop(struct job *job) {
  mw_timer_stop(job->timer);
  mw_pause_forget(&job->program->pause, &job->ready);
  mw_list_remove(&job->link);
  luaL_unref(job->program->vm->L, LUA_REGISTRYINDEX, job->ref);
}

static void on_job_done(struct mw_fiber *fiber, void *owner) {
  struct job *job = owner;
  job->fiber = NULL;
  if (fiber && job->queued && !job->stopped) {
    mw_pause_count(&job->program->pause, fiber->account.cut ? fiber->account.place : NULL);
  }
  if (job->stopped || job->period == 0) {
    drop(job);
  } else {
    schedule(job);
  }
}

/* Adds a traceback where the error was raised. */
static int on_job_error(lua_State *L) {
  mw_fiber_unwind(L);
  if (mw_fiber_is_doom(L, 1)) return 1;
  mw_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
  return 1;
}

static int after_job(lua_State *L, int status, lua_KContext context) {
  if (status == LUA_OK || status == LUA_YIELD) return 0;
  if (!mw_budget_settle(L, status) && !mw_fiber_is_doom(L, -1)) {
    mw_log(MW_LOG_ERROR, NULL, "a job failed: %s", luaL_tolstring(L, -1, NULL));
  }
  return 0;
}

/* The body of a job's fiber. Stack: 1 job (light), 2 on_job_error, 3 function. */
static int job_main(lua_State *L) {
  struct job *job = lua_touserdata(L, 1);
  lua_pushcfunction(L, on_job_error);
  lua_rawgeti(L, LUA_REGISTRYINDEX, job->ref);
  lua_getiuservalue(L, -1, 1);
  lua_remove(L, -2);
  int status = lua_pcallk(L, 0, 0, 2, 0, after_job);
  return after_job(L, status, 0);
}

static void run(struct job *job) {
  job->started = mw_clock_mono();
  job->fiber = mw_fiber_new(job->program->vm, job->program, on_job_done, job);
  if (!job->fiber) {
    mw_log(MW_LOG_ERROR, NULL, "a job was not run: out of memory");
    on_job_done(NULL, job);
    return;
  }
  struct mw_log_context *log = &job->fiber->log;
  *log = (struct mw_log_context){.worker = log->worker, .generation = job->program->generation};
  mw_fiber_start(job->fiber, job_main, job);
}

/* Where the function of a job is defined. Pushes and pops two values, and allocates nothing. */
static void find_function(const struct job *job, char *out, size_t size) {
  lua_State *L = job->program->vm->L;
  lua_Debug info;
  lua_rawgeti(L, LUA_REGISTRYINDEX, job->ref);
  lua_getiuservalue(L, -1, 1);
  lua_remove(L, -2);
  if (lua_getinfo(L, ">S", &info) == 0 || info.linedefined <= 0) {
    snprintf(out, size, "%s", info.short_src);
  } else {
    snprintf(out, size, "%s:%d", *info.source == '@' ? info.source + 1 : info.short_src, info.linedefined);
  }
}

/* Counts as a cut. */
static void refuse(struct job *job) {
  char place[96];
  find_function(job, place, sizeof place);
  struct mw_log_field fields[] = {{"at", place}, {NULL, NULL}};
  mw_log(MW_LOG_ERROR, fields, "a job was not run: the worker's scripts have no memory for it, %zu bytes",
         job->program->vm->limits.memory);
  mw_pause_count(&job->program->pause, place);
  on_job_done(NULL, job);
}

/* From the ready queue. What a handler spawns within its own slice is the handler's affair: it neither pauses nor counts. */
static void run_ready(struct mw_ready *ready) {
  struct job *job = MW_CONTAINER(ready, struct job, ready);
  struct mw_pause *pause = &job->program->pause;
  if (mw_pause_hold(pause, ready)) return;
  job->queued = true;
  if (mw_budget_has_room(job->program->vm)) {
    run(job);
  } else {
    refuse(job);
  }
  mw_pause_judge(pause, ready);
}

static void on_due(void *arg) {
  struct job *job = arg;
  job->timer = NULL;
  mw_ready_run(&job->program->vm->ready, &job->ready, false);
}

/* Starts the timer of the next run, one period after the last; runs that were missed are left out. */
static void schedule(struct job *job) {
  int64_t now = mw_clock_mono();
  job->ready.run = run_ready;
  job->due += job->period;
  if (job->due < now) job->due = now;
  job->timer = mw_timer_start(job->program->vm->loop, job->due - now, on_due, job);
  if (!job->timer) mw_log(MW_LOG_ERROR, NULL, "a job has ended: out of memory for its timer");
}

static void schedule_ready(struct mw_ready *ready) { schedule(MW_CONTAINER(ready, struct job, ready)); }

/* Whether what runs now is not there for a call. */
static bool in_background(const struct mw_program *program) {
  const struct mw_fiber *running = program->vm->running;
  if (!running) return true; /* a script that loads */
  return running->done == on_job_done && running->owner && ((struct job *)running->owner)->background;
}

/* The call that L runs for, as a handler or as what one has spawned; 0 for none. */
static uint64_t call_of(lua_State *L) {
  const struct mw_fiber *running = mw_vm_of(L)->running;
  const struct mw_call *call = mw_bind_current_call(L);
  if (call) return call->id;
  return running && running->done == on_job_done && running->owner ? ((struct job *)running->owner)->call : 0;
}

/* A job belongs to the program that asks: code of a live module may be another's, and that may end before. */
static struct job *new_job(lua_State *L, int function, int64_t period) {
  struct mw_program *program = mw_fiber_program(L);
  if (!program) program = mw_bind_program(L);
  struct job *job = lua_newuserdatauv(L, sizeof *job, 1);
  lua_pushvalue(L, function);
  lua_setiuservalue(L, -2, 1);
  *job = (struct job){.ready.run = period > 0 ? schedule_ready : run_ready,
                      .program = program,
                      .ref = luaL_ref(L, LUA_REGISTRYINDEX),
                      .period = period,
                      .call = call_of(L),
                      .background = in_background(program)};
  mw_list_init(&job->ready.link);
  mw_list_push(&program->jobs, &job->link);
  return job;
}

static int l_spawn(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  const struct mw_fiber *running = mw_vm_of(L)->running;
  if (running && running->abandoned) return luaL_error(L, "mw.spawn: the server has stopped");
  if (running) mw_budget_check_room(L);
  struct job *job = new_job(L, 1, 0);
  struct mw_vm *vm = job->program->vm;
  if (vm->loading == job->program) return 0;
  if (running && running->nested) {
    mw_ready_put(&vm->ready, &job->ready, false);
  } else {
    run(job);
  }
  return 0;
}

static int l_every(lua_State *L) {
  struct mw_program *program = mw_bind_program(L);
  int64_t period = check_seconds(L, 1);
  luaL_argcheck(L, period >= MW_NS_PER_MS, 1, "expected at least 0.001 seconds");
  luaL_checktype(L, 2, LUA_TFUNCTION);
  if (program->vm->loading != program) {
    return luaL_error(L, "mw.every: jobs are registered while the script loads; use mw.spawn with mw.sleep here");
  }
  if (program->host->worker == 0) new_job(L, 2, period);
  return 0;
}

void mw_bind_start_jobs(struct mw_program *program) {
  int64_t now = mw_clock_mono();
  struct mw_list starting;
  mw_list_init(&starting);
  mw_list_splice(&starting, &program->jobs);
  struct mw_list *node;
  while ((node = mw_list_shift(&starting)) != NULL) {
    struct job *job = MW_CONTAINER(node, struct job, link);
    mw_list_push(&program->jobs, &job->link);
    job->due = now;
    mw_ready_run(&program->vm->ready, &job->ready, false);
  }
}

static void push_stopped(lua_State *L, void *unused) {
  struct mw_status status = mw_status(MW_CODE_UNAVAILABLE, "the server stops this job");
  mw_bind_push_status(L, &status);
}

static void kill_ready(struct mw_ready *ready) {
  mw_fiber_kill(MW_CONTAINER(ready, struct job, ready)->fiber, push_stopped, NULL);
}

static void stop(struct job *job) {
  job->stopped = true;
  if (!job->fiber) {
    drop(job);
  } else if (job->fiber->doom == MW_FIBER_ALIVE && !mw_ready_is_queued(&job->ready)) {
    job->ready.run = kill_ready;
    mw_ready_run(&job->program->vm->ready, &job->ready, false);
  }
}

/* Killing one may end others, which leave the list that they are in. */
static void stop_jobs(struct mw_program *program, bool background_only) {
  struct mw_list left, *node;
  mw_list_init(&left);
  mw_list_splice(&left, &program->jobs);
  while ((node = mw_list_shift(&left)) != NULL) {
    struct job *job = MW_CONTAINER(node, struct job, link);
    mw_list_push(&program->jobs, node);
    if (job->background || !background_only) stop(job);
  }
}

void mw_bind_stop_jobs(struct mw_program *program) {
  mw_pause_stop(&program->pause);
  stop_jobs(program, false);
}

void mw_bind_stop_background(struct mw_program *program) { stop_jobs(program, true); }

void mw_bind_abandon(struct mw_vm *vm) {
  struct mw_list left, *node;
  mw_list_init(&left);
  mw_list_splice(&left, &vm->live);
  while ((node = mw_list_shift(&left)) != NULL) {
    struct mw_fiber *fiber = MW_CONTAINER(node, struct mw_fiber, link);
    mw_list_push(&vm->live, node);
    if (!fiber->abandoned) mw_fiber_abandon(fiber, push_stopped, NULL);
  }
}

static void show_job(const struct job *job, void (*show)(void *arg, const struct mw_bind_job *job), void *arg) {
  struct mw_bind_job shown = {.period = job->period, .time = job->fiber ? job->started : job->due, .call = job->call};
  shown.ready = !job->fiber && mw_ready_is_queued(&job->ready);
  find_function(job, shown.function, sizeof shown.function);
  if (job->fiber) mw_bind_fiber_place(job->fiber, shown.place, sizeof shown.place);
  show(arg, &shown);
}

size_t mw_bind_list_jobs(const struct mw_program *program, size_t most,
                         void (*show)(void *arg, const struct mw_bind_job *job), void *arg) {
  size_t n = 0;
  for (const struct mw_list *node = program->jobs.next; node != &program->jobs; node = node->next) {
    if (n++ < most) show_job(MW_CONTAINER(node, struct job, link), show, arg);
  }
  return n;
}

void mw_bind_open_job(lua_State *L, struct mw_program *program) {
  static const luaL_Reg functions[] = {{"sleep", l_sleep}, {"spawn", l_spawn}, {"every", l_every}, {NULL, NULL}};
  mw_bind_functions(L, program, functions);
}
