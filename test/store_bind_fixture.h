/* mw.store on a new store: a script, and fibers that run its functions. */
#ifndef MW_TEST_STORE_BIND_FIXTURE_H
#define MW_TEST_STORE_BIND_FIXTURE_H

#include "store_fixture.h"

#include "bind/store/store.h"
#include "schema/load/load.h"

struct binding {
  struct fixture *f;
  struct mw_vm vm;
  struct mw_host host;
  struct mw_pool *pool;
  struct mw_program *program;
  struct mw_script_file file;
  const char *function; /* of the script: the body of the fiber */
  int ended;            /* number of fibers */
  bool failed, any_failed;
  char error[300];
};

/* Starts a worker of `workers` that has loaded `script` as the module "store"; the store may grow to `map_size`
 * bytes. */
int binding_setup(void **state, const char *script, unsigned workers, size_t map_size);

int binding_teardown(void **state);

/* Stores `bytes` under the key `id` of the collection "tasks". */
void put_raw(struct binding *b, const char *id, const char *bytes);

/* ---- fibers ---- */

/* Starts a fiber that runs `function` of the script. */
struct mw_fiber *start(struct binding *b, const char *function);

/* For mw_fiber_kill(): the status of a client that disconnected. */
void push_cancelled(lua_State *L, void *arg);

/* Kills a function in its first wait, and lets its operation finish. */
void kill_in(struct binding *b, const char *function);

/* Runs `function` in a fiber until it ends; fails the test with its error. */
void run_to_end(struct binding *b, const char *function);

#endif
