/* A program: one generation's scripts as loaded into one worker's state.
 *
 * Every script of the folder runs in the program's own environment with its own `require`, which knows the folder's
 * modules and `moonwire`, and never reads the disk. What the scripts register (routes, jobs) belongs to the program
 * and ends with it. Its table of routes is complete once it is loaded. One thread.
 *
 * A program is a userdata: every function and object of the module `moonwire` that it gave out keeps it. It is used until
 * it is retired, which lets go of all that the registry holds for it; what scripts kept beyond that (a function in a
 * state that survives) goes on working, and the collector frees the rest. */
#ifndef MW_SCRIPT_PROGRAM_H
#define MW_SCRIPT_PROGRAM_H

#include "rpc/router.h"
#include "schema/find.h"
#include "schema/pool.h"
#include "script/pause.h"
#include "script/vm.h"

struct mw_host;

/* A script's bytes, read once for all workers. */
struct mw_script_file {
  const char *path;   /* for messages: "lua/tasks.lua" */
  const char *module; /* for require: "tasks", "util.text" */
  struct mw_slice bytes;
};

struct mw_program {
  int self_ref;                /* registry: the userdata; LUA_NOREF once retired */
  struct mw_vm *vm;
  const struct mw_host *host;  /* what the bindings work with; opaque here */
  struct mw_pool *pool;        /* a reference */
  uint64_t generation;
  struct mw_router router;
  const struct mw_script_file *files; /* borrowed, sorted by path */
  size_t n_files;
  const struct mw_file_list *names; /* borrowed; NULL without links */
  size_t n_fibers;             /* live ones that run its code */
  int env_ref;                 /* registry: the environment */
  int modules_ref;             /* registry: module name -> its value */
  struct mw_err *findings;     /* while loading: where the errors go */
  int failed;                  /* MW_E* of a script that did not load, 0 when all did */
  int interceptors_ref;        /* registry: bind/intercept.c's */
  int services_ref;            /* registry: bind/service.c's, service name -> handlers */
  struct mw_list jobs;         /* bind/job.c's */
  size_t n_periodic;           /* jobs of mw.every */
  size_t n_runs;               /* of them, under way */
  struct mw_pause pause;       /* of its jobs */
  void *messages;              /* bind/message.c's per-type state */
  void (*close)(struct mw_program *program);
};

/* Makes a program without scripts: environment, require, and `moonwire` as `open` pushes it; `close` frees what `open`
 * left in it, when it is collected, and may be NULL. Borrows `vm` and `host`, takes a reference of `pool`. Returns 0
 * and the program in `out`, MW_ENOMEM, or MW_EINVAL with what `open` raised. */
int mw_program_new(struct mw_program **out, struct mw_vm *vm, const struct mw_host *host, struct mw_pool *pool,
                   uint64_t generation, void (*open)(lua_State *L, struct mw_program *program),
                   void (*close)(struct mw_program *program), struct mw_err *err);

/* Pushes the userdata of a program that is not retired. */
static inline void mw_program_push(lua_State *L, const struct mw_program *program) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, program->self_ref);
}

/* Runs every file as a module. Each failure is a finding "FILE:LINE: message"; the others are run all the same, so
 * that one look shows every error. `names` are the paths of the files below the folder of modules and the links to them, for
 * require; or NULL. Borrows `files` and `names` until mw_program_retire(). Returns 0, MW_EINVAL or MW_ENOMEM. */
int mw_program_load(struct mw_program *program, const struct mw_script_file *files, size_t n_files,
                    const struct mw_file_list *names, struct mw_err *err);

/* Pushes what the module named by the string at `index` is, and returns true; pushes nothing when the program, which is
 * not retired, has no such module, or it did not load. */
bool mw_program_push_module(lua_State *L, const struct mw_program *program, int index);

/* Forgets everything that is held for the program in the vm. No call, job or fiber of it may be live. The pointer is
 * invalid afterwards. */
void mw_program_retire(struct mw_program *program);

#endif
