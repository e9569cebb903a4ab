/* Helpers of the watch tests: a project in a temporary folder, a watch on it, and a reliable check that a change was
 * reported or not. */
#ifndef MW_TEST_WATCH_FIXTURE_H
#define MW_TEST_WATCH_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "loop/file_watch.h"

enum { TEST_SECONDS = 60 }; /* then the test fails and the process ends */

/* ---- a project on the disk ---- */

extern char root[sizeof "/tmp/moonwire-watch-XXXXXX"];

/* "ROOT/name", valid for the next eight calls. */
const char *at(const char *name);

/* Each name is a path below root. put() replaces the content, put_with() opens the file with `flags` in addition. */
void put_with(const char *name, const char *text, int flags);
void put(const char *name, const char *text);
void make_dir(const char *name);
void move(const char *from, const char *to);
void make_link(const char *target, const char *name);
void remove_tree(const char *name);

/* ---- the watch under test ---- */

struct fixture {
  struct mw_loop loop;
  struct mw_watch *watch;
  int told, seen; /* number of reports */
  int64_t told_at;
  void (*when_told)(struct fixture *f); /* may be NULL */
  uint64_t snapshot;
};

/* The callback of a watch whose `arg` is a fixture. */
void on_changed(void *arg);

/* Creates the watch under test; watch_project() on proto, lua and moonwire.lua of the project. */
void watch_paths(struct fixture *f, const char *const *paths, size_t n, unsigned quiet_ms, unsigned limit_ms);
void watch_project(struct fixture *f, unsigned quiet_ms, unsigned limit_ms);

/* For cmocka: a project, without and with a watch. */
int setup(void **state);
int setup_watched(void **state);
int teardown(void **state);

/* Runs the loop until the queue is empty and all changes are reported. The kernel queues an event before the system
 * call that caused it returns. So it is now certain whether a change was reported, and no test waits for time to
 * pass. */
void settle(struct fixture *f);

/* Settles; returns whether a change was reported since the last call. */
bool was_told(struct fixture *f);

#define assert_told(f) assert_true(was_told(f))
#define assert_not_told(f) assert_false(was_told(f))

/* Asserts that a save to the file is reported. */
void assert_watched(struct fixture *f, const char *name);
void assert_not_watched(struct fixture *f, const char *name);

/* Returns the number of folders that the process watches. */
int count_watches(void);

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_watched, teardown)
#define TEST_UNWATCHED(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
