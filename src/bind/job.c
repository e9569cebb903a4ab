/* mw.spawn, mw.every: work outside of calls.
 *
 * A job is a function that runs in a fiber of its own: once (spawn) or periodically (every). Jobs belong to their
 * program: jobs that are registered during its load start when it starts, and all are killed when it ends. A job is a
 * userdata, so that the memory of many jobs counts towards the limit of scripts. Its user values are the function and
 * the name.
 *
 * A periodic job of a new program takes the due time of the same job in the replaced program. A live run ends in its
 * own program, and the successor waits for it.
 *
 * Starts go through the ready queue, because any number of them may be due at one moment. A spawned function starts at
 * once only if the loop itself resumed the code that spawns it. */
#include "bind/job.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "bind/base/bind.h"
#include "bind/base/openers.h"
#include "bind/base/options.h"
#include "bind/call/handler.h"
#include "bind/message/status.h"
#include "bind/sleep.h"
#include "script/lua/traceback.h"
#include "script/program/show.h"

struct job {
  struct mw_list link;   /* in program->jobs */
  struct mw_ready ready; /* queued to start */
  struct mw_program *program;
  int ref;                 /* registry: the job itself */
  int64_t period;          /* nanoseconds; 0 for a job that runs once */
  int64_t due;             /* mw_clock_mono() of the next run */
  int64_t started;         /* mw_clock_mono() of the last run's start */
  uint64_t call;           /* the call that spawned it, or 0 */
  struct mw_timer *timer;  /* starts the next run; NULL while it runs */
  struct mw_fiber *fiber;  /* NULL between runs */
  bool queued;             /* the ready queue started its run */
  bool background;         /* registered while the program loaded, or spawned by such a job */
  bool of_run;             /* spawned by a run of mw.every, directly or through a spawned function */
  bool stopped;            /* no further runs */
  const char *name;        /* may be NULL; borrowed from the user value */
  const char *file;        /* Lua's source of the function, which owns it; NULL for a job that runs once */
  bool matched;            /* matched to a job of the previous or the next program */
  struct job *predecessor; /* the job of an older program whose run must end first, or NULL */
  struct job *successor;   /* the job whose `predecessor` is this one, or NULL */
};

enum { FUNCTION = 1, NAME = 2 }; /* user values */
enum { NAME_MAX_BYTES = 64, FILE_COMPARED = 256 };
enum { MOST_PERIODIC = 1000 }; /* a reload compares each job with each */

/* ---- running ---- */

static void schedule(struct job *job);
static void schedule_ready(struct mw_ready *ready);

/* Releases the job that waits for the end of this run. Its next run is one period after its due time, or now if that
 * has passed. */
static void release_successor(struct job *job) {
  struct job *next = job->successor;
  if (!next) return;
  job->successor = next->predecessor = NULL;
  next->due += next->period;
  if (next->ready.run != schedule_ready) schedule(next); /* else its program starts it */
}

/* Unlinks the job. The collector frees it. */
static void drop(struct job *job) {
  if (job->predecessor) job->predecessor->successor = NULL;
  mw_timer_stop(job->timer);
  mw_pause_forget(&job->program->pause, &job->ready);
  mw_list_remove(&job->link);
  luaL_unref(job->program->vm->L, LUA_REGISTRYINDEX, job->ref);
}

static void on_job_done(struct mw_fiber *fiber, void *owner) {
  struct job *job = owner;
  if (job->fiber && job->period > 0) job->program->n_runs--;
  job->fiber = NULL;
  release_successor(job);
  if (fiber && job->queued && !job->stopped) {
    mw_pause_count(&job->program->pause, fiber->account.cut ? fiber->account.place : NULL);
  }
  if (job->stopped || job->period == 0) {
    drop(job);
  } else {
    job->due += job->period;
    schedule(job);
  }
}

/* The message handler of a job: adds a traceback. */
static int on_job_error(lua_State *L) {
  mw_fiber_unwind(L);
  if (mw_fiber_is_kill_error(L, 1)) return 1;
  mw_traceback(L, L, mw_show_push_error(L, 1), 1);
  return 1;
}

/* Writes the place where the function of a job is defined. Pushes and pops two values, and allocates nothing. */
static void find_function(const struct job *job, char *out, size_t size) {
  lua_State *L = job->program->vm->L;
  lua_Debug info;
  lua_rawgeti(L, LUA_REGISTRYINDEX, job->ref);
  lua_getiuservalue(L, -1, FUNCTION);
  lua_remove(L, -2);
  if (lua_getinfo(L, ">S", &info) == 0 || info.linedefined <= 0) {
    snprintf(out, size, "%s", info.short_src);
  } else {
    snprintf(out, size, "%s:%d", mw_place_source(&info), info.linedefined);
  }
}

/* Writes the name of the job, or the place of its function. */
static void find_name(const struct job *job, char *out, size_t size) {
  if (job->name) {
    snprintf(out, size, "%s", job->name);
  } else {
    find_function(job, out, size);
  }
}

static void log_failure(const struct job *job, const char *what, const char *words) {
  char name[96];
  find_name(job, name, sizeof name);
  struct mw_log_field fields[] = {{"job", name}, {NULL, NULL}};
  mw_log(MW_LOG_ERROR, fields, "%s%s", what, words);
}

static int after_job(lua_State *L, int status, lua_KContext context) {
  if (status == LUA_OK || status == LUA_YIELD) return 0;
  if (!mw_budget_settle(L, status) && !mw_fiber_is_kill_error(L, -1)) {
    log_failure((const struct job *)context, "a job failed: ", mw_show_push(L, -1));
  }
  return 0;
}

/* The body of a job's fiber. Stack: 1 job (light), 2 on_job_error, 3 function. */
static int job_main(lua_State *L) {
  struct job *job = lua_touserdata(L, 1);
  lua_pushcfunction(L, on_job_error);
  lua_rawgeti(L, LUA_REGISTRYINDEX, job->ref);
  lua_getiuservalue(L, -1, FUNCTION);
  lua_remove(L, -2);
  int status = lua_pcallk(L, 0, 0, 2, (lua_KContext)job, after_job);
  return after_job(L, status, (lua_KContext)job);
}

static void run(struct job *job) {
  job->started = mw_clock_mono();
  job->fiber = mw_fiber_new(job->program->vm, job->program, on_job_done, job);
  if (!job->fiber) {
    log_failure(job, "a job was not run: ", "out of memory");
    on_job_done(NULL, job);
    return;
  }
  if (job->period > 0) job->program->n_runs++;
  job->fiber->kind = MW_FIBER_JOB;
  struct mw_log_context *log = &job->fiber->log;
  *log = (struct mw_log_context){.worker = log->worker, .generation = job->program->generation};
  mw_fiber_start(job->fiber, job_main, job);
}

/* Ends the job for lack of memory, which counts as a cut. */
static void end_without_memory(struct job *job) {
  char place[96];
  find_function(job, place, sizeof place);
  struct mw_log_field fields[] = {{"at", place}, {NULL, NULL}};
  mw_log(MW_LOG_ERROR, fields, "a job was not run: the worker's scripts have no memory for it, %zu bytes",
         job->program->vm->limits.memory);
  mw_pause_count(&job->program->pause, place);
  on_job_done(NULL, job);
}

/* Runs from the ready queue. Functions that a handler spawns within its own slice do not come here: they neither pause
 * nor count. */
static void run_ready(struct mw_ready *ready) {
  struct job *job = MW_CONTAINER(ready, struct job, ready);
  struct mw_pause *pause = &job->program->pause;
  if (mw_pause_hold(pause, ready)) return;
  job->queued = true;
  if (mw_budget_has_room(job->program->vm)) {
    run(job);
  } else {
    end_without_memory(job);
  }
  mw_pause_end_trial(pause, ready);
}

static void on_due(void *arg) {
  struct job *job = arg;
  job->timer = NULL;
  mw_ready_run(&job->program->vm->ready, &job->ready, false);
}

/* Starts the timer of the next run. Missed runs are skipped. */
static void schedule(struct job *job) {
  int64_t now = mw_clock_mono();
  job->ready.run = run_ready;
  if (job->due < now) job->due = now;
  job->timer = mw_timer_start(job->program->vm->loop, job->due - now, on_due, job);
  if (!job->timer) mw_log(MW_LOG_ERROR, NULL, "a job has ended: out of memory for its timer");
}

static void schedule_ready(struct mw_ready *ready) {
  struct job *job = MW_CONTAINER(ready, struct job, ready);
  ready->run = run_ready;
  if (!job->predecessor) schedule(job);
}

/* True if the running code does not serve a call. */
static bool in_background(const struct mw_program *program) {
  const struct mw_fiber *running = program->vm->running;
  if (!running) return true; /* a script is loading */
  return running->kind == MW_FIBER_JOB && running->owner && ((struct job *)running->owner)->background;
}

/* True for functions that a run of mw.every spawns. */
static bool is_of_run(const struct mw_fiber *running) {
  if (!running || running->kind != MW_FIBER_JOB || !running->owner) return false;
  const struct job *job = running->owner;
  return job->period > 0 || job->of_run;
}

/* The call that L serves, as its handler or as a function that it spawned; 0 for none. */
static uint64_t call_of(lua_State *L) {
  const struct mw_fiber *running = mw_vm_of(L)->running;
  const struct mw_call *call = mw_bind_current_call(L);
  if (call) return call->id;
  return running && running->kind == MW_FIBER_JOB && running->owner ? ((struct job *)running->owner)->call : 0;
}

/* Makes a job of the running program. Code of a live module may belong to another program, which may end earlier. */
static struct job *new_job(lua_State *L, int function, int64_t period) {
  struct mw_program *program = mw_fiber_program(L);
  if (!program) program = mw_bind_program(L);
  struct job *job = lua_newuserdatauv(L, sizeof *job, 2);
  lua_pushvalue(L, function);
  lua_setiuservalue(L, -2, FUNCTION);
  *job = (struct job){.ready.run = period > 0 ? schedule_ready : run_ready,
                      .program = program,
                      .ref = luaL_ref(L, LUA_REGISTRYINDEX),
                      .period = period,
                      .call = call_of(L),
                      .background = in_background(program),
                      .of_run = is_of_run(mw_vm_of(L)->running)};
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

/* Returns the name at the top of the stack, or NULL for nil. */
static const char *check_name(lua_State *L, const struct mw_program *program) {
  if (lua_isnil(L, -1)) return NULL;
  size_t len;
  const char *name = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
  bool valid = name && len >= 1 && len <= NAME_MAX_BYTES;
  for (size_t i = 0; valid && i < len; i++) valid = (unsigned char)name[i] >= ' ' && name[i] != 0x7f;
  if (!valid) luaL_error(L, "mw.every: name: expected 1 to %d bytes without control characters", NAME_MAX_BYTES);
  unsigned steps = 0;
  for (const struct mw_list *node = program->jobs.next; node != &program->jobs; node = node->next) {
    const struct job *job = MW_CONTAINER(node, struct job, link);
    if (job->name && strcmp(job->name, name) == 0) {
      luaL_error(L, "mw.every: a job named %s is registered already; a name stands for one job", name);
    }
    mw_budget_tick(L, &steps);
  }
  return name;
}

/* Registers the function at `function`. The name is at the top of the stack. */
static void add_periodic(lua_State *L, int function, int64_t period, const char *name) {
  int named = lua_gettop(L);
  struct mw_program *program = mw_bind_program(L);
  if (++program->n_periodic > MOST_PERIODIC) {
    luaL_error(L, "mw.every: expected at most %d jobs in the lua folder: combine several into one", MOST_PERIODIC);
  }
  struct job *job = new_job(L, function, period);
  lua_Debug info;
  lua_pushvalue(L, function);
  lua_getinfo(L, ">S", &info);
  job->file = info.source; /* "=[C]" for a C function */
  job->name = name;
  lua_rawgeti(L, LUA_REGISTRYINDEX, job->ref);
  lua_pushvalue(L, named);
  lua_setiuservalue(L, -2, NAME);
}

/* mw.every(seconds, [options,] f) */
static int l_every(lua_State *L) {
  static const char *const allowed[] = {"name", NULL};
  struct mw_program *program = mw_bind_program(L);
  int64_t period = mw_bind_check_seconds(L, 1);
  luaL_argcheck(L, period >= MW_NS_PER_MS, 1, "expected at least 0.001 seconds");
  int function = lua_istable(L, 2) ? 3 : 2;
  luaL_checktype(L, function, LUA_TFUNCTION);
  if (function == 3) mw_bind_check_options(L, 2, "mw.every", allowed);
  if (program->vm->loading != program) {
    return luaL_error(L, "mw.every: jobs are registered while the script loads; use mw.spawn with mw.sleep here");
  }
  if (program->host->worker != 0) return 0;
  if (function == 3) {
    mw_bind_get_option(L, 2, "name");
  } else {
    lua_pushnil(L);
  }
  add_periodic(L, function, period, check_name(L, program));
  return 0;
}

/* ---- from one program to the next ---- */

/* Ways to match a job to one of the previous program: by its name, else by its place. */
enum { BY_NAME, BY_PERIOD, BY_FILE, N_WAYS };

/* True if the job needs no match or has one. */
static bool needs_no_match(const struct job *job) { return job->period == 0 || job->matched; }

static bool is_same(const struct job *old, const struct job *job, int way) {
  if (needs_no_match(old)) return false;
  if (old->name && job->name) return strcmp(old->name, job->name) == 0;
  return way != BY_NAME && strncmp(old->file, job->file, FILE_COMPARED) == 0 &&
         (way == BY_FILE || old->period == job->period);
}

/* Warns of a run that takes longer than its period: it may never end, and until then the saved function does not
 * run. */
static void warn_of_long_run(const struct job *running) {
  int64_t took = mw_clock_mono() - running->started;
  if (took <= running->period) return;
  char name[96], place[256];
  find_name(running, name, sizeof name);
  mw_bind_fiber_place(running->fiber, place, sizeof place);
  struct mw_log_field fields[] = {{"job", name}, {"at", place}, {NULL, NULL}};
  mw_log(MW_LOG_WARN, fields,
         "a job waits for its run of generation %" PRIu64
         ", which has taken %.1f s; the setting "
         "generation_age limits that",
         running->program->generation, (double)took / MW_NS_PER_S);
}

/* `job` continues the schedule of `old`: after its run, or at its due time. If the period differs, the next run is one
 * new period after the last due time. */
static void take_over(struct job *job, struct job *old) {
  struct job *running = old->fiber ? old : old->predecessor;
  job->matched = old->matched = true;
  job->due = old->due;
  if (running) {
    old->predecessor = NULL;
    job->predecessor = running;
    running->successor = job;
    warn_of_long_run(running);
  } else if (old->due > mw_clock_mono()) {
    job->due += job->period - old->period;
  }
}

/* Matches jobs of both programs. `first` skips those that are matched, so that jobs in the same order are found at
 * once. */
static void match(struct mw_program *from, struct mw_program *to, int way) {
  struct mw_list *first = from->jobs.next, *end = &from->jobs;
  for (struct mw_list *node = to->jobs.next; node != &to->jobs; node = node->next) {
    struct job *job = MW_CONTAINER(node, struct job, link);
    if (needs_no_match(job) || (way == BY_NAME && !job->name)) continue;
    while (first != end && needs_no_match(MW_CONTAINER(first, struct job, link))) first = first->next;
    for (struct mw_list *other = first; other != end; other = other->next) {
      struct job *old = MW_CONTAINER(other, struct job, link);
      if (!is_same(old, job, way)) continue;
      take_over(job, old);
      break;
    }
  }
}

void mw_bind_hand_over_jobs(struct mw_program *from, struct mw_program *to) {
  for (struct mw_list *node = from->jobs.next; node != &from->jobs; node = node->next) {
    struct job *job = MW_CONTAINER(node, struct job, link);
    job->matched = false;
    if (job->period > 0 && job->fiber) job->stopped = true; /* this run is the last one here */
  }
  for (int way = 0; way < N_WAYS; way++) match(from, to, way);
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
    if (job->period > 0 && !job->matched) job->due = now + job->period;
    mw_ready_run(&program->vm->ready, &job->ready, false);
  }
}

static void push_stopped(lua_State *L, void *unused) {
  struct mw_status status = mw_status(MW_CODE_UNAVAILABLE, "the server stops this job");
  mw_bind_push_status(L, &status);
}

/* Logs the kill of a run. A spawned function is expected to end with its program, a periodic run is not. */
static void log_kill(const struct job *job) {
  enum mw_log_level level = job->period > 0 ? MW_LOG_WARN : MW_LOG_DEBUG;
  if (!mw_log_enabled(level)) return;
  char name[96], place[256];
  find_name(job, name, sizeof name);
  mw_bind_fiber_place(job->fiber, place, sizeof place);
  struct mw_log_field fields[] = {{"job", name}, {"at", place}, {NULL, NULL}};
  mw_log(level, fields, "a %s of generation %" PRIu64 " was cut after %.1f s",
         job->period > 0 ? "run" : "spawned function", job->program->generation,
         (double)(mw_clock_mono() - job->started) / MW_NS_PER_S);
}

static void stop(struct job *job) {
  job->stopped = true;
  if (!job->fiber) {
    drop(job);
  } else if (job->fiber->kill_state == MW_FIBER_ALIVE) {
    log_kill(job);
    mw_fiber_kill(job->fiber, push_stopped, NULL);
  }
}

/* True for a live run of mw.every, and for functions that live runs have spawned. */
static bool is_of_live_run(const struct job *job) {
  return job->period > 0 ? job->fiber != NULL : job->of_run && job->program->n_runs > 0;
}

static unsigned kind_of(const struct job *job) {
  if (!job->background) return MW_JOBS_OF_CALLS;
  return is_of_live_run(job) ? MW_JOBS_OF_RUNS : MW_JOBS_BACKGROUND;
}

/* Killing one job may end others, which then leave their list. */
void mw_bind_stop_jobs(struct mw_program *program, unsigned kinds) {
  if (kinds == MW_JOBS_ALL) mw_pause_stop(&program->pause);
  struct mw_list left, *node;
  mw_list_init(&left);
  mw_list_splice(&left, &program->jobs);
  while ((node = mw_list_shift(&left)) != NULL) {
    struct job *job = MW_CONTAINER(node, struct job, link);
    mw_list_push(&program->jobs, node);
    if (kind_of(job) & kinds) stop(job);
  }
}

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
  if (job->predecessor) shown.before = job->predecessor->program->generation;
  find_name(job, shown.name, sizeof shown.name);
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
  static const luaL_Reg functions[] = {{"spawn", l_spawn}, {"every", l_every}, {NULL, NULL}};
  mw_bind_functions(L, program, functions);
}
