/* The file watch: the time of its reports, changes under load, the limits of the system, and clean-up. */
#include "watch_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/syscall.h>

#include "failmalloc.h"

/* ---- failing system calls ---- */

static int fake_error;        /* the error of the two calls below; 0 for none */
static const char *fake_path; /* only for paths that contain this; NULL for all */

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

/* ---- the time of reports ---- */

static void a_save_is_told_after_the_quiet_time(void **state) {
  struct fixture *f = *state;
  watch_project(f, 30, 0);
  int64_t saved = mw_clock_mono();
  assert_watched(f, "lua/a.lua");
  assert_true(f->told_at >= saved + 30 * MW_NS_PER_MS);
}

static void a_loop_that_was_held_up_sees_what_came_meanwhile(void **state) {
  struct fixture *f = *state;
  watch_project(f, 30, 60000);
  put("lua/a.lua", "2");
  uv_run(&f->loop.uv, UV_RUN_NOWAIT);
  int64_t until = mw_clock_mono() + 40 * MW_NS_PER_MS;
  while (mw_clock_mono() < until) continue; /* the quiet time seems to be over */
  int64_t saved = mw_clock_mono();
  assert_watched(f, "lua/a.lua");
  assert_true(f->told_at >= saved + 30 * MW_NS_PER_MS);
  assert_int_equal(f->told, 1);
}

static void a_new_folder_may_be_filled_in_quiet(void **state) {
  struct fixture *f = *state;
  watch_project(f, 30, 60000);
  int64_t made = mw_clock_mono();
  make_dir("lua/x"); /* changes in it are not seen until it is watched; then the quiet time starts again */
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
  while (f->told < 3 && mw_clock_mono() < deadline) {
    put("lua/a.lua", "2");
    remove_tree("lua/x");
    make_dir("lua/x"); /* nor do new folders */
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
  assert_true(f->told <= (f->told_at - began) / MW_NS_PER_MS + 1); /* at most once in each quiet time */
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

/* ---- the invariant: a reader on every report ends with the newest state ---- */

static uint64_t mix(uint64_t hash, const char *bytes, size_t len) {
  for (size_t i = 0; i < len; i++) hash = (hash ^ (uint8_t)bytes[i]) * 1099511628211u;
  return hash;
}

static int visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

/* Returns a hash over names and contents at `path`, links followed. */
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

/* Changes a project in a random way, mostly nonsensical, sometimes impossible. */
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

/* Runs the loop until the next report. */
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
  assert_problem(f,
                 "/lua/x: cannot be watched: this user watches as many folders as the system allows; raise "
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
  assert_told(f); /* nothing in it can be read in any case */
  assert_null(mw_watch_problem(f->watch));
  make_link("x/b.lua", "lua/b.lua");
  await_told(f);
  assert_problem(f, "/lua/x: cannot be watched for 'b.lua': it is not readable; make it readable");
  fake_error = EIO;
  await_told(f);
  assert_problem(f, "/lua/x: cannot be watched: Input/output error");
  fake_error = 0;
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

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST_UNWATCHED(a_save_is_told_after_the_quiet_time),
      TEST_UNWATCHED(a_loop_that_was_held_up_sees_what_came_meanwhile),
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
