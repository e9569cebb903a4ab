/* A watcher of a folder on a file system that does not answer. */
#include "server/reload/watcher.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

enum { TEST_SECONDS = 30 };

static sem_t answers; /* of the file system, one for each call that waits for it */
static _Atomic enum { NOTHING, READS, WATCHES } stuck;

int open(const char *path, int flags, ...) {
  int (*real)(const char *, int, ...);
  *(void **)&real = dlsym(RTLD_NEXT, "open");
  va_list rest;
  va_start(rest, flags);
  int mode = flags & O_CREAT ? va_arg(rest, int) : 0;
  va_end(rest);
  if (stuck == READS && strstr(path, "moonwire.lua")) sem_wait(&answers);
  return real(path, flags, mode);
}

int inotify_add_watch(int fd, const char *path, uint32_t mask) {
  int (*real)(int, const char *, uint32_t);
  *(void **)&real = dlsym(RTLD_NEXT, "inotify_add_watch");
  if (stuck == WATCHES) sem_wait(&answers);
  return real(fd, path, mask);
}

static struct fixture {
  struct mw_loop loop;
  char dir[32];
} f;

static int setup(void **state) {
  char file[64];
  alarm(TEST_SECONDS);
  sem_init(&answers, 0, 0);
  snprintf(f.dir, sizeof f.dir, "/tmp/watcher.XXXXXX");
  if (!mkdtemp(f.dir) || mw_loop_init(&f.loop, NULL) != 0) return -1;
  snprintf(file, sizeof file, "%s/moonwire.lua", f.dir);
  FILE *settings = fopen(file, "w");
  if (settings) fclose(settings);
  return settings ? 0 : -1;
}

static int teardown(void **state) {
  char file[64];
  stuck = NOTHING;
  for (int i = 0; i < 100; i++) sem_post(&answers);
  snprintf(file, sizeof file, "%s/moonwire.lua", f.dir);
  unlink(file);
  rmdir(f.dir);
  mw_loop_fini(&f.loop);
  alarm(0);
  return 0;
}

static void on_change(void *arg) {}

static void expect_failure(int calls, const char *waited) {
  char words[256];
  struct mw_watcher *watcher = NULL;
  struct mw_err err = MW_ERR_INIT;
  stuck = calls;
  int rc = mw_watcher_open(&watcher, &f.loop, f.dir, MW_NS_PER_S / 10, on_change, NULL, &err);
  assert_int_equal(rc, MW_EIO);
  snprintf(words, sizeof words,
           "%s: the file system does not answer: waited 0.1 s to %s; expected one that is mounted and answers", f.dir,
           waited);
  assert_string_equal(mw_err_text(&err), words);
  assert_null(watcher);
  mw_err_fini(&err);
}

static void settings_that_cannot_be_read_fail_it(void **state) { expect_failure(READS, "read moonwire.lua"); }

static void a_folder_that_cannot_be_watched_fails_it(void **state) {
  expect_failure(WATCHES, "watch moonwire.lua, lua and the folders of protos");
}

static void a_folder_that_answers_is_watched(void **state) {
  struct mw_watcher *watcher;
  assert_int_equal(
      mw_watcher_open(&watcher, &f.loop, f.dir, TEST_SECONDS * (int64_t)MW_NS_PER_S, on_change, NULL, NULL), 0);
  mw_watcher_close(watcher);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(settings_that_cannot_be_read_fail_it, setup, teardown),
      cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_watched_fails_it, setup, teardown),
      cmocka_unit_test_setup_teardown(a_folder_that_answers_is_watched, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
