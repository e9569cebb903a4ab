/* Helpers of the watch tests: a project in a temporary folder, a watch on it, and a reliable check that a change was
 * reported or not. */
#ifndef MW_TEST_WATCH_FIXTURE_H
#define MW_TEST_WATCH_FIXTURE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "loop/file_watch.h"

enum { TEST_SECONDS = 60 }; /* then the test fails and the process ends */

/* ---- a project on the disk ---- */

static char root[] = "/tmp/moonwire-watch-XXXXXX";

/* "ROOT/name", valid for the next eight calls. */
static inline const char *at(const char *name) {
  static _Thread_local char paths[8][8192];
  static _Thread_local unsigned next;
  char *path = paths[next++ % 8];
  snprintf(path, sizeof paths[0], "%s/%s", root, name);
  return path;
}

static inline void put_with(const char *name, const char *text, int flags) {
  int fd = open(at(name), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
  if (fd < 0) fail_msg("%s: %s", at(name), strerror(errno));
  assert_int_equal(write(fd, text, strlen(text)), strlen(text));
  close(fd);
}

static inline void put(const char *name, const char *text) { put_with(name, text, O_TRUNC); }
static inline void make_dir(const char *name) { assert_int_equal(mkdir(at(name), 0755), 0); }
static inline void move(const char *from, const char *to) { assert_int_equal(rename(at(from), at(to)), 0); }
static inline void make_link(const char *target, const char *name) { assert_int_equal(symlink(target, at(name)), 0); }

static inline int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where) {
  remove(path);
  return 0;
}

static inline void remove_tree(const char *name) { nftw(at(name), remove_one, 16, FTW_DEPTH | FTW_PHYS); }

/* ---- the watch under test ---- */

struct fixture {
  struct mw_loop loop;
  struct mw_watch *watch;
  int told, seen; /* number of reports */
  int64_t told_at;
  void (*when_told)(struct fixture *f); /* may be NULL */
  uint64_t snapshot;
};

static inline void on_changed(void *arg) {
  struct fixture *f = arg;
  f->told++;
  f->told_at = mw_clock_mono();
  if (f->when_told) f->when_told(f);
}

static inline void watch_paths(struct fixture *f, const char *const *paths, size_t n, unsigned quiet_ms,
                               unsigned limit_ms) {
  struct mw_watch_options options = {paths, n, quiet_ms, limit_ms, on_changed, f};
  assert_int_equal(mw_watch_new(&f->watch, &f->loop, &options, NULL), 0);
}

static inline void watch_project(struct fixture *f, unsigned quiet_ms, unsigned limit_ms) {
  char proto[64], lua[64], settings[64];
  snprintf(proto, sizeof proto, "%s/proto", root);
  snprintf(lua, sizeof lua, "%s/lua", root);
  snprintf(settings, sizeof settings, "%s/moonwire.lua", root);
  watch_paths(f, (const char *const[]){proto, lua, settings}, 3, quiet_ms, limit_ms);
}

static inline int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  *state = f;
  alarm(TEST_SECONDS);
  memcpy(root + sizeof root - 7, "XXXXXX", 6);
  if (!mkdtemp(root)) return -1;
  make_dir("lua");
  make_dir("proto");
  make_dir("data");
  put("lua/a.lua", "1");
  put("proto/a.proto", "1");
  put("moonwire.lua", "1");
  return mw_loop_init(&f->loop, NULL);
}

static inline int setup_watched(void **state) {
  int rc = setup(state);
  if (rc == 0) watch_project(*state, 1, 0);
  return rc;
}

static inline int teardown(void **state) {
  struct fixture *f = *state;
  mw_watch_close(f->watch);
  mw_loop_fini(&f->loop);
  free(f);
  remove_tree("");
  alarm(0);
  return 0;
}

static inline void count_active(uv_handle_t *handle, void *arg) {
  if (handle->type == UV_TIMER && uv_is_active(handle)) ++*(int *)arg;
}

/* Runs the loop until the queue is empty and all changes are reported. The kernel queues an event before the system
 * call that caused it returns. So it is now certain whether a change was reported, and no test waits for time to
 * pass. */
static inline void settle(struct fixture *f) {
  for (;;) {
    int timers = 0;
    uv_run(&f->loop.uv, UV_RUN_NOWAIT);
    uv_walk(&f->loop.uv, count_active, &timers);
    if (timers == 0) return;
    uv_run(&f->loop.uv, UV_RUN_ONCE);
  }
}

static inline bool was_told(struct fixture *f) {
  settle(f);
  bool told = f->told > f->seen;
  f->seen = f->told;
  return told;
}

#define assert_told(f) assert_true(was_told(f))
#define assert_not_told(f) assert_false(was_told(f))

/* Asserts that a save to the file is reported. */
static inline void assert_watched(struct fixture *f, const char *name) {
  put(name, "in place");
  assert_told(f);
}

static inline void assert_not_watched(struct fixture *f, const char *name) {
  put(name, "in place");
  assert_not_told(f);
}

/* Returns the number of folders that the process watches. */
static inline int count_watches(void) {
  struct dirent **entries;
  int n = scandir("/proc/self/fdinfo", &entries, NULL, NULL), count = 0;
  for (int i = 0; i < n; i++) {
    char line[512];
    snprintf(line, sizeof line, "/proc/self/fdinfo/%s", entries[i]->d_name);
    FILE *info = fopen(line, "re");
    while (info && fgets(line, sizeof line, info)) count += strncmp(line, "inotify wd:", 11) == 0;
    if (info) fclose(info);
    free(entries[i]);
  }
  free(entries);
  return count;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_watched, teardown)
#define TEST_UNWATCHED(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
