/* The data of a program (script/program/program.h), which its fibers and the bindings refer to. */
#ifndef MW_SCRIPT_STATE_PROGRAM_H
#define MW_SCRIPT_STATE_PROGRAM_H

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

/* Pushes the userdata of a program that is not retired. */
static inline void mw_program_push(lua_State *L, const struct mw_program *program) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, program->self_ref);
}

#endif
