/* A world of one worker on engine inproc, whose collector runs a whole cycle at each allocation. Its scripts are loaded
 * one after the other as generations. */
#ifndef MW_TEST_LIFETIME_FIXTURE_H
#define MW_TEST_LIFETIME_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "bind/base/bind.h"

struct world {
  struct mw_loop loop;
  struct mw_dispatch dispatch;
  struct mw_engine *engine;
  struct mw_vm vm;
  struct mw_files files; /* in `folder` */
  struct mw_host host;
  char folder[64];
  struct mw_program *program; /* newest generation's; NULL before the first */
  uint64_t generations;
  bool ended;      /* the fiber of run() */
  char error[600]; /* of that fiber; "" for none */
};

int world_setup(void **state);
int world_teardown(void **state);

/* Loads the script as a new generation, with a schema of its own, and routes it; retires the generation before. The
 * script finds `mw`, the module table `M`, garbage(), and raises(words, f, ...), which checks the words of an error. */
void generation(struct world *w, const char *script);

/* Asserts that the script fails to load with an error that contains `words`. */
void refuses(struct world *w, const char *script, const char *words);

/* Runs the newest script's M.run() in a fiber, to its end. */
void run(struct world *w);

/* Loads the script as a generation, and runs it. */
void run_script(void **state, const char *script);

/* Defines caller(), which returns a stub of the script's own tasks.TaskService. */
#define CALLER                                                 \
  "local function caller()\n"                                  \
  "  return mw.client('inproc'):service 'tasks.TaskService'\n" \
  "end\n"

#define with_world(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

#endif
