/* A program: one generation's scripts as loaded into one worker's state.
 *
 * Every script of the folder runs in the program's own environment with its own `require`. What the scripts register
 * (routes, jobs) belongs to the program and ends with it. Immutable once started; freed when its last call ends. */
#ifndef MW_SCRIPT_PROGRAM_H
#define MW_SCRIPT_PROGRAM_H

#include "rpc/router.h"
#include "schema/pool.h"
#include "script/vm.h"

struct mw_host;

/* A script's bytes, read once for all workers. */
struct mw_script_file {
  const char *path;   /* for messages: "lua/tasks.lua" */
  const char *module; /* for require: "tasks", "util.text" */
  struct mw_slice bytes;
};

struct mw_program {
  struct mw_vm *vm;
  const struct mw_host *host;  /* what the bindings work with; opaque here */
  struct mw_pool *pool;        /* a reference */
  uint64_t generation;
  struct mw_router router;
  const struct mw_script_file *files; /* borrowed from the generation */
  size_t n_files;
  int env_ref;                 /* the environment table */
  int modules_ref;             /* module name -> value, what `require` has loaded */
  bool loading;                /* scripts are being run for the first time: registering is allowed */
  bool running;                /* jobs may start */
  struct mw_list jobs;         /* bind/job.c */
  struct mw_map messages;      /* bind/message.c: per-type state */
};

#endif
