/* A program: the scripts of one generation, loaded into one worker's state.
 *
 * Every script of the folder runs in the program's own environment with its own `require`, which finds the folder's
 * modules and `moonwire`, and never reads the disk. The routes and jobs that scripts register belong to the program and
 * end with it. Its table of routes is complete when it is loaded. One thread.
 *
 * A program is a userdata: every function and object of the module `moonwire` that it gave out holds a reference. It is
 * used until it is retired, which releases all registry references. Objects that scripts kept beyond that, such as a
 * function in a surviving state, continue to work, and the collector frees the rest. */
#ifndef MW_SCRIPT_PROGRAM_PROGRAM_H
#define MW_SCRIPT_PROGRAM_PROGRAM_H

#include "rpc/router.h"
#include "schema/load/find.h"
#include "schema/pool/pool.h"
#include "script/state/pause.h"
#include "script/state/vm.h"

struct mw_host;

/* A script's bytes, which all workers share. */
struct mw_script_file {
  const char *path;   /* for messages: "lua/tasks.lua" */
  const char *module; /* for require: "tasks", "util.text" */
  struct mw_slice bytes;
};

struct mw_program {
  int self_ref; /* registry: the userdata; LUA_NOREF after it is retired */
  struct mw_vm *vm;
  const struct mw_host *host; /* for the bindings; opaque here */
  struct mw_pool *pool;       /* a reference */
  uint64_t generation;
  struct mw_router router;
  const struct mw_script_file *files; /* borrowed, sorted by path */
  size_t n_files;
  const struct mw_file_list *names; /* borrowed; NULL without links */
  size_t n_fibers;                  /* live fibers that run its code */
  int env_ref;                      /* registry: the environment */
  int modules_ref;                  /* registry: module name -> value */
  struct mw_err *findings;          /* while loading: receives the errors */
  int failed;                       /* MW_E* of a script that did not load, or 0 */
  int interceptors_ref;             /* registry: for bind/call/intercept.c */
  int services_ref;                 /* registry: for bind/call/service.c, service name -> handlers */
  struct mw_list jobs;              /* for bind/job.c */
  size_t n_periodic;                /* jobs of mw.every */
  size_t n_runs;                    /* their current runs */
  struct mw_pause pause;            /* pause of its jobs */
  void *messages;                   /* state of each type, for bind/message/message.c */
  void (*close)(struct mw_program *program);
};

/* Makes a program without scripts: environment, require, and the `moonwire` that `open` pushes. When the program is
 * collected, `close`, which may be NULL, frees the objects of `open`. Borrows `vm` and `host`, takes a reference to
 * `pool`. Returns 0 and the program in `out`, MW_ENOMEM, or MW_EINVAL with the error of `open`. */
int mw_program_new(struct mw_program **out, struct mw_vm *vm, const struct mw_host *host, struct mw_pool *pool,
                   uint64_t generation, void (*open)(lua_State *L, struct mw_program *program),
                   void (*close)(struct mw_program *program), struct mw_err *err);

/* Pushes the userdata of a program that is not retired. */
static inline void mw_program_push(lua_State *L, const struct mw_program *program) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, program->self_ref);
}

/* Runs every file as a module. Each failure is a finding "FILE:LINE: message". The other files still run, so that all
 * errors are reported at once. `names` are the paths of the files below the folder of modules and the links to them,
 * for require; or NULL. Borrows `files` and `names` until mw_program_retire(). Returns 0, MW_EINVAL or MW_ENOMEM. */
int mw_program_load(struct mw_program *program, const struct mw_script_file *files, size_t n_files,
                    const struct mw_file_list *names, struct mw_err *err);

/* Pushes the value of the module with the name in the string at `index`, and returns true. If the program, which must
 * not be retired, has no such module, or it did not load, pushes nothing and returns false. */
bool mw_program_push_module(lua_State *L, const struct mw_program *program, int index);

/* Releases everything that the vm holds for the program. No call, job or fiber of it may be live. The pointer is
 * invalid afterwards. */
void mw_program_retire(struct mw_program *program);

#endif
