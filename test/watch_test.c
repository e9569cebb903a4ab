/* The watch on files: every way in which a project changes on the disk is told, and what is none of its business not.
 *
 * The kernel queues an event before the call that caused it returns. So once the loop has run until no timer is left,
 * it is certain whether a change was told: nothing here waits for time to pass. */
#include "loop/watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "failmalloc.h"

#include "base/clock.h"

/* ---- the kernel, when it says no ---- */

static int fake_error;        /* what the two calls below fail with; 0: they work */
static const char *fake_path; /* only for paths that contain this, unless NULL */

int inotify_add_watch(int fd, const char *path, uint32_t mask) {
  if (fake_error != 0 && (!fake_path || strstr(path, fake_path))) {
    errno = fake_error;
    return -1;
  }
  return (int)syscall(SYS_inotify_add_watch, fd, path, mask);
}

int inotify_init1(int flags) {
  if (fake_error == EMFILE) {
    errno = EMFILE;
    return -1;
  }
  return (int)syscall(SYS_inotify_init1, flags);
}

/* ---- a project on the disk ---- */

static char root[] = "/tmp/moonwire-watch-XXXXXX";

/* "ROOT/name", valid for the next eight calls. */
static const char *at(const char *name) {
  static _Thread_local char paths[8][8192];
  static _Thread_local unsigned next;
  char *path = paths[next++ % 8];
  snprintf(path, sizeof paths[0], "%s/%s", root, name);
  return path;
}

static void put_with(const char *name, const char *text, int flags) {
  int fd = open(at(name), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0644);
  if (fd < 0) fail_msg("%s: %s", at(name), strerror(errno));
  assert_int_equal(write(fd, text, strlen(text)), strlen(text));
  close(fd);
}

static void put(const char *name, const char *text) { put_with(name, text, O_TRUNC); }
static void make_dir(const char *name) { assert_int_equal(mkdir(at(name), 0755), 0); }
static void move(const char *from, const char *to) { assert_int_equal(rename(at(from), at(to)), 0); }
static void make_link(const char *target, const char *name) { assert_int_equal(symlink(target, at(name)), 0); }

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *where) {
  remove(path);
  return 0;
}

static void remove_tree(const char *name) { nftw(at(name), remove_one, 16, FTW_DEPTH | FTW_PHYS); }

/* ---- the watch under test ---- */

struct fixture {
  struct mw_loop loop;
  struct mw_watch *watch;
  int told, seen; /* times */
  int64_t told_at;
  void (*when_told)(struct fixture *f); /* may be NULL */
  uint64_t snapshot;
};

static void on_changed(void *arg) {
  struct fixture *f = arg;
  f->told++;
  f->told_at = mw_clock_mono();
  if (f->when_told) f->when_told(f);
}

static void watch_paths(struct fixture *f, const char *const *paths, size_t n, unsigned quiet_ms, unsigned limit_ms) {
  struct mw_watch_options options = {paths, n, quiet_ms, limit_ms, on_changed, f};
  assert_int_equal(mw_watch_new(&f->watch, &f->loop, &options, NULL), 0);
}

static void watch_project(struct fixture *f, unsigned quiet_ms, unsigned limit_ms) {
  char proto[64], lua[64], settings[64];
  snprintf(proto, sizeof proto, "%s/proto", root);
  snprintf(lua, sizeof lua, "%s/lua", root);
  snprintf(settings, sizeof settings, "%s/moonwire.lua", root);
  watch_paths(f, (const char *const[]){proto, lua, settings}, 3, quiet_ms, limit_ms);
}

static int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  *state = f;
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

static int setup_watched(void **state) {
  int rc = setup(state);
  if (rc == 0) watch_project(*state, 1, 0);
  return rc;
}

static int teardown(void **state) {
  struct fixture *f = *state;
  fake_error = 0;
  mw_watch_close(f->watch);
  mw_loop_fini(&f->loop);
  free(f);
  remove_tree("");
  return 0;
}

static void count_active(uv_handle_t *handle, void *arg) {
  if (handle->type == UV_TIMER && uv_is_active(handle)) ++*(int *)arg;
}

/* Runs the loop until the queue is empty and nothing is left to be told. */
static void settle(struct fixture *f) {
  for (;;) {
    int timers = 0;
    uv_run(&f->loop.uv, UV_RUN_NOWAIT);
    uv_walk(&f->loop.uv, count_active, &timers);
    if (timers == 0) return;
    uv_run(&f->loop.uv, UV_RUN_ONCE);
  }
}

static bool was_told(struct fixture *f) {
  settle(f);
  bool told = f->told > f->seen;
  f->seen = f->told;
  return told;
}

#define assert_told(f) assert_true(was_told(f))
#define assert_not_told(f) assert_false(was_told(f))

/* A save to each of the files is told: they are watched. */
static void assert_watched(struct fixture *f, const char *name) {
  put(name, "in place");
  assert_told(f);
}

static void assert_not_watched(struct fixture *f, const char *name) {
  put(name, "in place");
  assert_not_told(f);
}

/* ---- files ---- */

static void nothing_is_told_at_the_beginning(void **state) { assert_not_told(*state); }

static void a_save_in_place_is_told(void **state) {
  struct fixture *f = *state;
  assert_watched(f, "lua/a.lua");
  assert_watched(f, "proto/a.proto");
  assert_watched(f, "moonwire.lua");
  assert_watched(f, "lua/new.lua");
}

static void a_write_to_a_file_that_stays_open_is_told(void **state) {
  struct fixture *f = *state;
  int fd = open(at("lua/a.lua"), O_WRONLY | O_CLOEXEC);
  assert_int_equal(write(fd, "2", 1), 1);
  assert_told(f);
  assert_int_equal(ftruncate(fd, 0), 0);
  assert_told(f);
  close(fd);
}

static void a_save_by_renaming_over_is_told(void **state) {
  struct fixture *f = *state;
  put("data/outside", "2");
  assert_not_told(f);
  move("data/outside", "lua/a.lua");
  assert_told(f);
  put("moonwire.lua.tmp", "2");
  assert_not_told(f);
  move("moonwire.lua.tmp", "moonwire.lua");
  assert_told(f);
  assert_watched(f, "moonwire.lua");
  move("lua/a.lua", "lua/a.lua~"); /* keeps the old one, then writes anew */
  put("lua/a.lua", "3");
  assert_told(f);
  assert_watched(f, "lua/a.lua");
}

static void a_deleted_file_is_told(void **state) {
  struct fixture *f = *state;
  assert_int_equal(unlink(at("lua/a.lua")), 0);
  assert_told(f);
  assert_int_equal(unlink(at("moonwire.lua")), 0);
  assert_told(f);
  assert_watched(f, "moonwire.lua");
}

static void a_file_that_becomes_readable_is_told(void **state) {
  struct fixture *f = *state;
  assert_int_equal(chmod(at("lua/a.lua"), 0), 0);
  assert_told(f);
  assert_int_equal(chmod(at("lua/a.lua"), 0644), 0);
  assert_told(f);
}

static void what_is_not_of_the_project_is_not_told(void **state) {
  struct fixture *f = *state;
  put("data/data.mdb", "1");
  put("README.md", "1");
  put("lua/.a.lua.swp", "1");
  make_dir("lua/.git");
  put("lua/.git/index", "1");
  make_dir("luau");
  assert_not_told(f);
}

static void reading_is_not_told(void **state) {
  struct fixture *f = *state;
  char byte;
  int fd = open(at("lua/a.lua"), O_RDONLY | O_CLOEXEC);
  assert_int_equal(read(fd, &byte, 1), 1);
  close(fd);
  DIR *folder = opendir(at("lua"));
  assert_non_null(readdir(folder));
  closedir(folder);
  assert_not_told(f);
}

/* ---- folders ---- */

static void new_folders_are_watched(void **state) {
  struct fixture *f = *state;
  make_dir("lua/x");
  assert_told(f);
  assert_watched(f, "lua/x/b.lua");
  make_dir("proto/x");
  make_dir("proto/x/y");
  make_dir("proto/x/y/z"); /* made and filled before anybody looked */
  put("proto/x/y/z/b.proto", "1");
  assert_told(f);
  assert_watched(f, "proto/x/y/z/b.proto");
  make_dir("lua/x/.hidden");
  assert_not_told(f);
}

static void a_folder_moved_in_is_watched_and_out_is_not(void **state) {
  struct fixture *f = *state;
  make_dir("data/x");
  make_dir("data/x/y");
  assert_not_told(f);
  move("data/x", "lua/x");
  assert_told(f);
  assert_watched(f, "lua/x/y/b.lua");
  move("lua/x", "lua/z");
  assert_told(f);
  assert_watched(f, "lua/z/y/b.lua");
  move("lua/z", "data/z");
  assert_told(f);
  assert_not_watched(f, "data/z/y/b.lua");
}

static void the_whole_folder_may_vanish_and_come_back(void **state) {
  struct fixture *f = *state;
  make_dir("lua/x");
  put("lua/x/b.lua", "1");
  assert_told(f);
  remove_tree("lua");
  assert_told(f);
  make_dir("lua");
  make_dir("lua/x");
  put("lua/x/b.lua", "1");
  assert_told(f);
  assert_watched(f, "lua/x/b.lua");
  for (int i = 0; i < 3; i++) { /* unseen meanwhile */
    remove_tree("lua");
    make_dir("lua");
    make_dir("lua/x");
  }
  assert_told(f);
  assert_watched(f, "lua/x/b.lua");
  make_dir("other");
  move("lua", "old");
  move("other", "lua");
  assert_told(f);
  assert_watched(f, "lua/b.lua");
  assert_not_watched(f, "old/x/b.lua");
}

static void the_project_itself_may_vanish_and_come_back(void **state) {
  struct fixture *f = *state;
  char aside[sizeof root + 8];
  snprintf(aside, sizeof aside, "%s.aside", root);
  assert_int_equal(rename(root, aside), 0);
  assert_told(f);
  assert_int_equal(mkdir(root, 0755), 0);
  make_dir("lua");
  put("lua/a.lua", "2");
  assert_told(f);
  assert_watched(f, "lua/a.lua");
  assert_watched(f, "moonwire.lua");
  remove_tree("");
  assert_told(f);
  assert_int_equal(rename(aside, root), 0);
  assert_told(f);
  assert_watched(f, "lua/a.lua");
}

static void what_does_not_exist_yet_is_awaited(void **state) {
  struct fixture *f = *state;
  char late[64], deep[64];
  snprintf(late, sizeof late, "%s/late.lua", root);
  snprintf(deep, sizeof deep, "%s/p/q/r", root);
  watch_paths(f, (const char *const[]){late, deep}, 2, 1, 0);
  assert_watched(f, "late.lua");
  make_dir("p");
  assert_told(f);
  put("p/other", "1");
  assert_not_told(f);
  make_dir("p/q");
  make_dir("p/q/r");
  assert_told(f);
  assert_watched(f, "p/q/r/b.lua");
}

static void a_file_may_become_a_folder_and_back(void **state) {
  struct fixture *f = *state;
  unlink(at("lua/a.lua"));
  make_dir("lua/a.lua");
  assert_told(f);
  assert_watched(f, "lua/a.lua/b.lua");
  remove_tree("lua");
  put("lua", "a file");
  assert_told(f);
  assert_watched(f, "lua");
}

static void paths_may_be_relative(void **state) {
  struct fixture *f = *state;
  int home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  assert_int_equal(chdir(at("proto")), 0);
  watch_paths(f, (const char *const[]){"../lua/", ".", "./../moonwire.lua"}, 3, 1, 0);
  make_dir("lua/x");
  assert_told(f);
  assert_watched(f, "lua/x/b.lua");
  assert_watched(f, "proto/a.proto");
  assert_watched(f, "moonwire.lua");
  assert_not_watched(f, "data/x");
  assert_int_equal(fchdir(home), 0);
  close(home);
}

static void a_deep_tree_is_watched_to_its_end(void **state) {
  struct fixture *f = *state;
  char name[4096] = "lua";
  for (int i = 0; i < 400; i++) {
    strcat(name, "/d");
    make_dir(name);
  }
  assert_told(f);
  strcat(name, "/b.lua");
  assert_watched(f, name);
}

static void a_wide_tree_is_watched_whole(void **state) {
  struct fixture *f = *state;
  char name[64];
  for (int i = 0; i < 400; i++) {
    snprintf(name, sizeof name, "lua/d%d", i);
    make_dir(name);
  }
  assert_told(f);
  for (int i = 0; i < 400; i += 57) {
    snprintf(name, sizeof name, "lua/d%d/b.lua", i);
    assert_watched(f, name);
  }
}

/* ---- links ---- */

/* A volume as container platforms mount it: every file is a link through "..data", which is swapped by a rename. */
static void mount_version(const char *folder, int version, const char *text) {
  char name[256], target[64];
  snprintf(target, sizeof target, "..version_%d", version);
  snprintf(name, sizeof name, "%s/%s", folder, target);
  make_dir(name);
  strcat(name, "/b.lua");
  put(name, text);
  snprintf(name, sizeof name, "%s/..data_tmp", folder);
  make_link(target, name);
  char data[256];
  snprintf(data, sizeof data, "%s/..data", folder);
  move(name, data);
}

static void a_swapped_volume_is_told(void **state) {
  struct fixture *f = *state;
  mount_version("lua", 1, "1");
  make_link("..data/b.lua", "lua/b.lua");
  assert_told(f);
  for (int version = 2; version < 5; version++) {
    char old[64];
    mount_version("lua", version, "2");
    snprintf(old, sizeof old, "lua/..version_%d", version - 1);
    remove_tree(old);
    assert_told(f);
  }
  assert_watched(f, "lua/..version_4/b.lua");
  put("lua/..version_4/other.lua", "no link leads here");
  assert_not_told(f);
}

static void a_swapped_volume_elsewhere_is_told(void **state) {
  struct fixture *f = *state;
  make_dir("mount");
  mount_version("mount", 1, "1");
  make_link("../mount/..data/", "lua/volume"); /* a folder behind two links */
  assert_told(f);
  assert_watched(f, "mount/..version_1/b.lua");
  mount_version("mount", 2, "2");
  assert_told(f);
  assert_watched(f, "mount/..version_2/c.lua");
  assert_not_watched(f, "mount/..version_1/b.lua");
}

static void every_link_of_a_chain_counts(void **state) {
  struct fixture *f = *state;
  make_dir("one");
  make_dir("two");
  make_dir("three");
  put("three/b.lua", "1");
  put("three/c.lua", "1");
  make_link(at("two/b"), "one/b");
  make_link("../three/../three/b.lua", "two/b");
  make_link("../one/b", "lua/b.lua");
  assert_told(f);
  assert_watched(f, "three/b.lua");
  assert_not_watched(f, "three/c.lua");
  make_link("../three/c.lua", "two/new");
  assert_not_told(f);
  move("two/new", "two/b");
  assert_told(f);
  assert_watched(f, "three/c.lua");
  assert_not_watched(f, "three/b.lua");
  make_dir("four");
  put("four/c.lua", "1");
  assert_not_told(f);
  move("three", "five"); /* a plain folder that the chain leads through */
  move("four", "three");
  assert_told(f);
  assert_watched(f, "three/c.lua");
}

static void the_project_may_be_a_link(void **state) {
  struct fixture *f = *state;
  make_dir("release1");
  make_dir("release1/lua");
  make_dir("release2");
  make_dir("release2/lua");
  make_link("release1", "current");
  char lua[64];
  snprintf(lua, sizeof lua, "%s/current/lua", root);
  watch_paths(f, (const char *const[]){lua}, 1, 1, 0);
  assert_watched(f, "release1/lua/a.lua");
  assert_not_watched(f, "release2/lua/a.lua");
  make_link("release2", "next");
  assert_not_told(f);
  move("next", "current");
  assert_told(f);
  assert_watched(f, "release2/lua/a.lua");
  assert_not_watched(f, "release1/lua/a.lua");
}

static void a_dangling_link_is_told_when_it_leads_somewhere(void **state) {
  struct fixture *f = *state;
  make_link("../nowhere/yet", "lua/late");
  assert_told(f);
  make_dir("nowhere");
  assert_told(f);
  make_dir("nowhere/yet");
  assert_told(f);
  assert_watched(f, "nowhere/yet/b.lua");
}

static void links_in_a_circle_end(void **state) {
  struct fixture *f = *state;
  char long_name[400];
  memset(long_name, 'x', sizeof long_name - 1);
  long_name[sizeof long_name - 1] = '\0';
  make_link("self", "lua/self");
  make_link("pong", "lua/ping");
  make_link("ping", "lua/pong");
  make_link(".", "lua/here");
  make_link("here/here/here", "lua/there");
  make_link(long_name, "lua/long");
  make_link("a.lua/no/folder", "lua/through");
  assert_told(f);
  assert_watched(f, "lua/a.lua");
}

/* ---- when it is told ---- */

static void a_save_is_told_after_the_quiet_time(void **state) {
  struct fixture *f = *state;
  watch_project(f, 30, 0);
  int64_t saved = mw_clock_mono();
  assert_watched(f, "lua/a.lua");
  assert_true(f->told_at >= saved + 30 * MW_NS_PER_MS);
}

static void a_new_folder_may_be_filled_in_quiet(void **state) {
  struct fixture *f = *state;
  watch_project(f, 30, 60000);
  int64_t made = mw_clock_mono();
  make_dir("lua/x"); /* what happens in it is not seen until it is watched, and then has the quiet time again */
  assert_told(f);
  assert_true(f->told_at >= made + 60 * MW_NS_PER_MS);
  assert_int_equal(f->told, 1);
}

static void a_burst_is_told_once(void **state) {
  struct fixture *f = *state;
  watch_project(f, 200, 60000);
  for (int i = 0; i < 50; i++) {
    put("lua/a.lua", "2");
    put("lua/tmp", "2");
    move("lua/tmp", "proto/a.proto");
    uv_run(&f->loop.uv, UV_RUN_NOWAIT);
  }
  settle(f);
  assert_int_equal(f->told, 1);
}

static void steady_writes_do_not_hold_it_back(void **state) {
  struct fixture *f = *state;
  watch_project(f, 1000, 50);
  int64_t deadline = mw_clock_mono() + (int64_t)20 * MW_NS_PER_S;
  for (int i = 0; f->told < 3 && mw_clock_mono() < deadline; i++) {
    put("lua/a.lua", "2");
    if (i % 100 == 0) {
      remove_tree("lua/x");
      make_dir("lua/x");
    }
    uv_run(&f->loop.uv, UV_RUN_NOWAIT);
  }
  assert_true(f->told >= 3);
}

static void thousands_of_saves_lose_none(void **state) {
  struct fixture *f = *state;
  int64_t began = mw_clock_mono();
  for (int i = 0; i < 2000; i++) {
    char name[32];
    snprintf(name, sizeof name, "lua/f%d.lua", i % 40);
    put("lua/new", "2");
    move("lua/new", name);
    put_with(name, "3", O_APPEND);
    if (i % 7 == 0) uv_run(&f->loop.uv, UV_RUN_NOWAIT);
  }
  assert_told(f);
  assert_true(f->told <= (f->told_at - began) / MW_NS_PER_MS + 1); /* no more often than it is quiet */
  assert_watched(f, "lua/f7.lua");
}

static void an_overflowing_queue_is_told_and_looked_through(void **state) {
  struct fixture *f = *state;
  long most = 0;
  FILE *limit = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
  if (!limit || fscanf(limit, "%ld", &most) != 1) most = 0;
  if (limit) fclose(limit);
  if (most == 0 || most > 200000) skip();
  int a = open(at("lua/a.lua"), O_WRONLY | O_CLOEXEC), b = open(at("proto/a.proto"), O_WRONLY | O_CLOEXEC);
  for (long i = 0; i < most; i++) assert_int_equal(write(i % 2 ? a : b, "x", 1), 1);
  make_dir("lua/lost");
  close(a);
  close(b);
  assert_told(f);
  assert_watched(f, "lua/lost/b.lua");
}

/* ---- what must hold: who reads when told has the newest state in the end ---- */

static uint64_t mix(uint64_t hash, const char *bytes, size_t len) {
  for (size_t i = 0; i < len; i++) hash = (hash ^ (uint8_t)bytes[i]) * 1099511628211u;
  return hash;
}

static int visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

/* A hash over names and contents of what is at `path`, links followed. */
static uint64_t hash_of(const char *path, uint64_t hash, int depth) {
  char bytes[4096];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t len = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);
  if (fd >= 0) close(fd);
  if (len >= 0) return mix(hash, bytes, (size_t)len);
  struct dirent **entries = NULL;
  int n = depth < 12 ? scandir(path, &entries, visible, alphasort) : 0;
  for (int i = 0; i < n; i++) {
    hash = mix(hash, entries[i]->d_name, strlen(entries[i]->d_name) + 1);
    snprintf(bytes, sizeof bytes, "%s/%s", path, entries[i]->d_name);
    hash = hash_of(bytes, hash, depth + 1) * 31;
    free(entries[i]);
  }
  free(entries);
  return hash;
}

static uint64_t hash_project(void) {
  return hash_of(at("moonwire.lua"), hash_of(at("proto"), hash_of(at("lua"), 7, 0), 0), 0);
}

static void take_snapshot(struct fixture *f) { f->snapshot = hash_project(); }

struct editor {
  struct mw_post done;
  struct mw_loop *loop;
  unsigned seed;
  bool finished; /* on the loop's thread */
};

static const char *pick(struct editor *editor, const char *const *names, unsigned n) {
  return names[(unsigned)rand_r(&editor->seed) % n];
}

/* Does something to a project, most of it nonsense, some of it impossible. */
static void edit(struct editor *editor, int number) {
  static const char *const folders[] = {"lua", "lua/a", "lua/a/b", "lua/a/b/c", "lua/d", "proto", "pool/1", "pool/2"};
  static const char *const targets[] = {"../pool/1", "../pool/2", "../pool/link", "../pool/1/f"};
  char file[128], text[32];
  const char *folder = pick(editor, folders, 8);
  snprintf(file, sizeof file, "%s/%c", folder, "fgh"[rand_r(&editor->seed) % 3]);
  snprintf(text, sizeof text, "%d", number);
  int what = rand_r(&editor->seed) % 12;
  if (what < 4) {
    FILE *out = fopen(at(what == 0 ? "pool/new" : file), "we");
    if (out) fputs(text, out);
    if (out) fclose(out);
    if (what == 0) rename(at("pool/new"), at(file));
  } else if (what < 6) {
    mkdir(at(folder), 0755);
  } else if (what == 6) {
    remove_tree(rand_r(&editor->seed) % 4 ? file : folder);
  } else if (what == 7) {
    rename(at(folder), at(pick(editor, folders, 8)));
  } else if (what < 10) {
    unlink(at("lua/link"));
    if (symlink(pick(editor, targets, 4), at("lua/link")) == 0 && what == 9) rename(at("lua/link"), at("lua/d"));
  } else if (what == 10) {
    if (symlink(rand_r(&editor->seed) % 2 ? "1" : "2", at("pool/next")) == 0) rename(at("pool/next"), at("pool/link"));
  } else {
    rename(at(file), at(rand_r(&editor->seed) % 2 ? "moonwire.lua" : "pool/1/f"));
  }
}

static void *edit_all(void *arg) {
  struct editor *editor = arg;
  for (int i = 0; i < 1000; i++) edit(editor, i);
  mw_loop_post(editor->loop, &editor->done);
  return NULL;
}

static void on_done(struct mw_post *post) { MW_CONTAINER(post, struct editor, done)->finished = true; }

static void who_reads_when_told_ends_up_with_the_newest(void **state) {
  struct fixture *f = *state;
  f->when_told = take_snapshot;
  make_dir("pool");
  for (unsigned round = 1; round <= 12; round++) {
    struct editor editor = {{.run = on_done}, &f->loop, round, false};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, edit_all, &editor), 0);
    while (!editor.finished) uv_run(&f->loop.uv, UV_RUN_ONCE);
    pthread_join(thread, NULL);
    settle(f);
    assert_true(f->snapshot == hash_project());
  }
}

/* ---- limits ---- */

/* Runs the loop until it has told again. */
static void await_told(struct fixture *f) {
  while (f->told == f->seen) uv_run(&f->loop.uv, UV_RUN_ONCE);
  f->seen = f->told;
}

static void assert_problem(struct fixture *f, const char *words) {
  const char *problem = mw_watch_problem(f->watch);
  if (!problem || !strstr(problem, words)) fail_msg("expected '%s' in: %s", words, problem ? problem : "(none)");
}

static void a_limit_on_watches_is_named_and_overcome(void **state) {
  struct fixture *f = *state;
  assert_null(mw_watch_problem(f->watch));
  fake_error = ENOSPC;
  fake_path = "lua/x";
  make_dir("lua/x");
  await_told(f);
  assert_problem(f, "/lua/x: cannot be watched: this user watches as many folders as the system allows; raise "
                    "fs.inotify.max_user_watches");
  await_told(f); /* without an event */
  assert_problem(f, "max_user_watches");
  fake_error = 0;
  await_told(f);
  assert_null(mw_watch_problem(f->watch));
  assert_watched(f, "lua/x/b.lua");
}

static void a_limit_on_watchers_is_named_and_overcome(void **state) {
  struct fixture *f = *state;
  fake_error = EMFILE;
  watch_project(f, 1, 0);
  assert_problem(f, "raise fs.inotify.max_user_instances (sysctl) or the limit of open files (ulimit -n)");
  await_told(f);
  fake_error = 0;
  await_told(f);
  assert_null(mw_watch_problem(f->watch));
  assert_watched(f, "lua/a.lua");
}

static void a_folder_that_may_not_be_read_is_named_where_it_matters(void **state) {
  struct fixture *f = *state;
  fake_error = EACCES;
  fake_path = "lua/x";
  make_dir("lua/x");
  assert_told(f); /* nothing in it can be read anyhow */
  assert_null(mw_watch_problem(f->watch));
  make_link("x/b.lua", "lua/b.lua");
  await_told(f);
  assert_problem(f, "/lua/x: cannot be watched for 'b.lua': it may not be read; allow reading it");
  fake_error = EIO;
  await_told(f);
  assert_problem(f, "/lua/x: cannot be watched: Input/output error");
}

/* ---- the end ---- */

static void close_watch(struct fixture *f) {
  mw_watch_close(f->watch);
  f->watch = NULL;
}

static void it_may_be_closed_while_telling(void **state) {
  struct fixture *f = *state;
  f->when_told = close_watch;
  assert_watched(f, "lua/a.lua");
  put("lua/a.lua", "2");
  assert_not_told(f);
  mw_watch_close(NULL);
}

static void a_closed_watch_keeps_quiet(void **state) {
  struct fixture *f = *state;
  put("lua/a.lua", "2");
  uv_run(&f->loop.uv, UV_RUN_NOWAIT);
  close_watch(f);
  assert_not_told(f);
}

static int count_files(void) {
  struct dirent **entries;
  int n = scandir("/proc/self/fd", &entries, NULL, NULL);
  for (int i = 0; i < n; i++) free(entries[i]);
  free(entries);
  return n;
}

static void no_descriptor_is_left_behind(void **state) {
  struct fixture *f = *state;
  int before = count_files();
  for (int i = 0; i < 50; i++) {
    watch_project(f, 1, 0);
    assert_watched(f, "lua/a.lua");
    close_watch(f);
    settle(f);
  }
  assert_int_equal(count_files(), before);
}

static int watch_once(void *arg) {
  struct fixture *f = arg;
  struct mw_watch_options options = {(const char *const[]){at("lua"), at("proto")}, 2, 1, 0, on_changed, f};
  struct mw_watch *watch = NULL;
  int rc = mw_watch_new(&watch, &f->loop, &options, NULL);
  if (rc == 0 && !mw_watch_problem(watch)) {
    mkdir(at("lua/x"), 0755);
    rmdir(at("lua/x"));
    for (f->told = 0; f->told == 0;) uv_run(&f->loop.uv, UV_RUN_ONCE);
  }
  if (rc == 0 && mw_watch_problem(watch)) rc = MW_ENOMEM;
  mw_watch_close(watch);
  uv_run(&f->loop.uv, UV_RUN_NOWAIT);
  return rc;
}

static void survives_without_memory(void **state) {
  make_dir("pool");
  make_link("../pool", "lua/link");
  failmalloc_sweep(watch_once, *state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_watched, teardown)
#define TEST_UNWATCHED(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(nothing_is_told_at_the_beginning),
      TEST(a_save_in_place_is_told),
      TEST(a_write_to_a_file_that_stays_open_is_told),
      TEST(a_save_by_renaming_over_is_told),
      TEST(a_deleted_file_is_told),
      TEST(a_file_that_becomes_readable_is_told),
      TEST(what_is_not_of_the_project_is_not_told),
      TEST(reading_is_not_told),
      TEST(new_folders_are_watched),
      TEST(a_folder_moved_in_is_watched_and_out_is_not),
      TEST(the_whole_folder_may_vanish_and_come_back),
      TEST(the_project_itself_may_vanish_and_come_back),
      TEST_UNWATCHED(what_does_not_exist_yet_is_awaited),
      TEST(a_file_may_become_a_folder_and_back),
      TEST_UNWATCHED(paths_may_be_relative),
      TEST(a_deep_tree_is_watched_to_its_end),
      TEST(a_wide_tree_is_watched_whole),
      TEST(a_swapped_volume_is_told),
      TEST(a_swapped_volume_elsewhere_is_told),
      TEST(every_link_of_a_chain_counts),
      TEST_UNWATCHED(the_project_may_be_a_link),
      TEST(a_dangling_link_is_told_when_it_leads_somewhere),
      TEST(links_in_a_circle_end),
      TEST_UNWATCHED(a_save_is_told_after_the_quiet_time),
      TEST_UNWATCHED(a_new_folder_may_be_filled_in_quiet),
      TEST_UNWATCHED(a_burst_is_told_once),
      TEST_UNWATCHED(steady_writes_do_not_hold_it_back),
      TEST(thousands_of_saves_lose_none),
      TEST(an_overflowing_queue_is_told_and_looked_through),
      TEST(who_reads_when_told_ends_up_with_the_newest),
      TEST(a_limit_on_watches_is_named_and_overcome),
      TEST_UNWATCHED(a_limit_on_watchers_is_named_and_overcome),
      TEST(a_folder_that_may_not_be_read_is_named_where_it_matters),
      TEST(it_may_be_closed_while_telling),
      TEST(a_closed_watch_keeps_quiet),
      TEST_UNWATCHED(no_descriptor_is_left_behind),
      TEST_UNWATCHED(survives_without_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
