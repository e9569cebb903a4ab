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

#include "script/state/program.h"

/* Makes a program without scripts: environment, require, and the `moonwire` that `open` pushes. When the program is
 * collected, `close`, which may be NULL, frees the objects of `open`. Borrows `vm` and `host`, takes a reference to
 * `pool`. Returns 0 and the program in `out`, MW_ENOMEM, or MW_EINVAL with the error of `open`. */
int mw_program_new(struct mw_program **out, struct mw_vm *vm, const struct mw_host *host, struct mw_pool *pool,
                   uint64_t generation, void (*open)(lua_State *L, struct mw_program *program),
                   void (*close)(struct mw_program *program), struct mw_err *err);

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
