#include "watch_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- a project on the disk ---- */

char root[sizeof "/tmp/moonwire-watch-XXXXXX"] = "/tmp/moonwire-watch-XXXXXX";

const char *at(const char *name) {
  static _Thread_local char paths[8][8192];
  static _Thread_local unsigned next;
  char *path = paths[next++ % 8];
  snprintf(path, sizeof paths[0], "%s/%s", root, name);
  return path;
}

void put_with(const char *name, const char *text, int flags) {
  int fd = open(at(name), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
  if (fd < 0) fail_msg("%s: %s", at(name), strerror(errno));
  assert_int_equal(write(fd, text, strlen(text)), strlen(text));
  close(fd);
}

void put(const char *name, const char *text) { put_with(name, text, O_TRUNC); }
void make_dir(const char *name) { assert_int_equal(mkdir(at(name), 0755), 0); }
void move(const char *from, const char *to) { assert_int_equal(rename(at(from), at(to)), 0); }
void make_link(const char *target, const char *name) { assert_int_equal(symlink(target, at(name)), 0); }

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where) {
  remove(path);
  return 0;
}

void remove_tree(const char *name) { nftw(at(name), remove_one, 16, FTW_DEPTH | FTW_PHYS); }

/* ---- the watch under test ---- */

void on_changed(void *arg) {
  struct fixture *f = arg;
  f->told++;
  f->told_at = mw_clock_mono();
  if (f->when_told) f->when_told(f);
}

void watch_paths(struct fixture *f, const char *const *paths, size_t n, unsigned quiet_ms, unsigned limit_ms) {
  struct mw_watch_options options = {paths, n, quiet_ms, limit_ms, on_changed, f};
  assert_int_equal(mw_watch_new(&f->watch, &f->loop, &options, NULL), 0);
}

void watch_project(struct fixture *f, unsigned quiet_ms, unsigned limit_ms) {
  char proto[64], lua[64], settings[64];
  snprintf(proto, sizeof proto, "%s/proto", root);
  snprintf(lua, sizeof lua, "%s/lua", root);
  snprintf(settings, sizeof settings, "%s/moonwire.lua", root);
  watch_paths(f, (const char *const[]){proto, lua, settings}, 3, quiet_ms, limit_ms);
}

int setup(void **state) {
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

int setup_watched(void **state) {
  int rc = setup(state);
  if (rc == 0) watch_project(*state, 1, 0);
  return rc;
}

int teardown(void **state) {
  struct fixture *f = *state;
  mw_watch_close(f->watch);
  mw_loop_fini(&f->loop);
  free(f);
  remove_tree("");
  alarm(0);
  return 0;
}

static void count_active(uv_handle_t *handle, void *arg) {
  if (handle->type == UV_TIMER && uv_is_active(handle)) ++*(int *)arg;
}

void settle(struct fixture *f) {
  for (;;) {
    int timers = 0;
    uv_run(&f->loop.uv, UV_RUN_NOWAIT);
    uv_walk(&f->loop.uv, count_active, &timers);
    if (timers == 0) return;
    uv_run(&f->loop.uv, UV_RUN_ONCE);
  }
}

bool was_told(struct fixture *f) {
  settle(f);
  bool told = f->told > f->seen;
  f->seen = f->told;
  return told;
}

void assert_watched(struct fixture *f, const char *name) {
  put(name, "in place");
  assert_told(f);
}

void assert_not_watched(struct fixture *f, const char *name) {
  put(name, "in place");
  assert_not_told(f);
}

int count_watches(void) {
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
