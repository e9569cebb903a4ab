/* The file stability check: conditions under which files count as stable, and no reading before. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "server/generation/generation_reader.h"
#include "server/generation/stability.h"

#define MS ((int64_t)MW_NS_PER_MS)

static char dir[] = "/tmp/look_testXXXXXX";

static const char *at(const char *name) {
  static char paths[4][128];
  static unsigned next;
  char *path = paths[next++ % 4];
  snprintf(path, sizeof paths[0], "%s/%s", dir, name);
  return path;
}

/* Opens a file for writing in place, which empties it. */
static int begin_save(const char *name) {
  int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  assert_true(fd >= 0);
  return fd;
}

static void add(int fd, const char *text) { assert_int_equal(write(fd, text, strlen(text)), strlen(text)); }

static void put(const char *name, const char *text) {
  int fd = begin_save(name);
  add(fd, text);
  close(fd);
}

/* Time of the file's last change, in nanoseconds, from the kernel. */
static int64_t changed(const char *name) {
  struct stat info;
  assert_int_equal(stat(at(name), &info), 0);
  return (int64_t)info.st_ctim.tv_sec * MW_NS_PER_S + info.st_ctim.tv_nsec;
}

static int setup(void **state) {
  memcpy(dir + sizeof dir - 7, "XXXXXX", 6);
  if (!mkdtemp(dir) || mkdir(at("lua"), 0700) != 0 || mkdir(at("proto"), 0700) != 0) return -1;
  put("lua/a.lua", "return 1");
  return 0;
}

static int teardown(void **state) {
  char command[64];
  snprintf(command, sizeof command, "rm -rf %s", dir);
  return system(command);
}

/* ---- checks ---- */

static int64_t time_of_look;

static int64_t now(void) { return time_of_look; }

static struct mw_stability look_at(int64_t time) {
  struct mw_stability look;
  time_of_look = time;
  assert_int_equal(mw_stability_take(&look, dir, now, NULL), 0);
  return look;
}

/* Takes a check at that time, and asserts the file for which it waits. Returns the wait in nanoseconds. */
static int64_t wait_at(int64_t time, const char *busy) {
  struct mw_stability look = look_at(time);
  assert_string_equal(mw_buf_str(&look.busy), busy);
  int64_t wait = look.wait;
  mw_stability_fini(&look);
  return wait;
}

static void a_file_has_to_rest_for_a_while(void **state) {
  int64_t saved = changed("lua/a.lua");
  assert_int_equal(wait_at(saved, at("lua/a.lua")), MW_LOOK_FRESH_MS * MS);
  assert_int_equal(wait_at(saved + 7 * MS, at("lua/a.lua")), 3 * MS);
  assert_int_equal(wait_at(saved + MW_LOOK_FRESH_MS * MS, ""), 0);
}

static void a_change_in_the_future_is_no_reason_to_wait(void **state) {
  assert_int_equal(wait_at(changed("lua/a.lua") - MW_NS_PER_S, ""), 0);
  int fd = begin_save("lua/a.lua");
  assert_int_equal(wait_at(changed("lua/a.lua") - MW_NS_PER_S, at("lua/a.lua")), MW_LOOK_AGAIN_MS * MS);
  close(fd);
}

/* A clock during whose readings another program saves: lua/b.lua changes in the middle of a check. */
static int64_t save_and_now(void) {
  static int fd = -1;
  if (fd >= 0) {
    close(fd);
    fd = -1;
  } else {
    fd = begin_save("lua/b.lua");
  }
  return mw_clock_wall();
}

static void a_file_that_changes_during_the_look_is_waited_for(void **state) {
  struct mw_stability look;
  put("lua/b.lua", "return 2");
  assert_int_equal(mw_stability_take(&look, dir, save_and_now, NULL), 0);
  assert_string_equal(mw_buf_str(&look.busy), at("lua/b.lua"));
  assert_true(look.wait > 0);
  mw_stability_fini(&look);
}

static void a_file_that_is_open_for_writing_is_waited_for(void **state) {
  int fd = begin_save("lua/a.lua");
  add(fd, "return 1");
  int64_t begun = changed("lua/a.lua");
  assert_int_equal(wait_at(begun + 500 * MS, at("lua/a.lua")), MW_LOOK_AGAIN_MS * MS);
  assert_int_equal(wait_at(begun + MW_LOOK_OPEN_MS * MS, ""), 0); /* the writer never closes it */
  close(fd);
  assert_int_equal(wait_at(begun + 500 * MS, ""), 0);
}

static void one_that_was_emptied_is_waited_for_as_long_as_it_is_open(void **state) {
  int fd = begin_save("lua/a.lua");
  int64_t late = changed("lua/a.lua") + 100 * MW_LOOK_OPEN_MS * MS;
  assert_int_equal(wait_at(late, at("lua/a.lua")), MW_LOOK_AGAIN_MS * MS);
  close(fd);
  assert_int_equal(wait_at(late, ""), 0);
}

static void one_that_is_open_for_reading_is_not(void **state) {
  int fd = open(at("lua/a.lua"), O_RDONLY | O_CLOEXEC);
  assert_int_equal(wait_at(changed("lua/a.lua") + 500 * MS, ""), 0);
  close(fd);
}

static void only_what_is_read_counts(void **state) {
  int64_t now = changed("lua/a.lua") + 500 * MS;
  static const char *const others[] = {"lua/a.lua~", "lua/.a.lua", "proto/a.lua", "lua/4913", "a.lua"};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    int fd = begin_save(others[i]);
    assert_int_equal(wait_at(now, ""), 0);
    close(fd);
  }
  static const char *const sources[] = {"proto/a.proto", "proto/a.binpb", "lua/b.lua", "moonwire.lua"};
  for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
    int fd = begin_save(sources[i]);
    assert_int_not_equal(wait_at(changed(sources[i]) + 500 * MS, at(sources[i])), 0);
    close(fd);
  }
}

/* Asserts that checks before and after `change` differ in the file `name`; NULL: in none. */
static void assert_difference(void (*change)(void), const char *name) {
  struct mw_stability before = look_at(0);
  change();
  struct mw_stability after = look_at(0);
  const char *path = mw_stability_difference(&before, &after);
  if (name) {
    assert_non_null(path);
    assert_string_equal(path, at(name));
  } else {
    assert_null(path);
  }
  assert_true((mw_stability_difference(&after, &before) == NULL) == (name == NULL));
  mw_stability_fini(&before);
  mw_stability_fini(&after);
}

static void nothing(void) {}
static void longer(void) { put("lua/a.lua", "return 10"); }
static void add_one(void) { put("lua/b.lua", "return 2"); }
static void remove_one(void) { unlink(at("lua/b.lua")); }
static void write_other(void) { put("lua/b.txt", "nothing of ours"); }

static void rename_over(void) {
  put("lua/new", "return 3");
  rename(at("lua/new"), at("lua/a.lua"));
}

static void link_to_v1(void) {
  mkdir(at("v1"), 0700);
  mkdir(at("v2"), 0700);
  put("v1/linked.lua", "return 1");
  put("v2/linked.lua", "return 1");
  symlink("../v1", at("lua/linked"));
}

static void swap_link(void) {
  symlink("../v2", at("new"));
  rename(at("new"), at("lua/linked"));
}

static void looks_tell_changes(void **state) {
  assert_difference(nothing, NULL);
  assert_difference(longer, "lua/a.lua");
  assert_difference(rename_over, "lua/a.lua");
  assert_difference(add_one, "lua/b.lua");
  assert_difference(write_other, NULL);
  assert_difference(remove_one, "lua/b.lua");
  assert_difference(link_to_v1, "lua/linked/linked.lua");
  assert_difference(swap_link, "lua/linked/linked.lua");
}

/* ---- reading ---- */

struct fixture {
  struct mw_loop loop;
  struct mw_generation_reader reading;
  bool ended;
  int rc;
  char text[256]; /* of a.lua, or the error */
};

static void on_read(void *arg, int rc, struct mw_generation *generation, struct mw_err *err) {
  struct fixture *f = arg;
  f->ended = true;
  f->rc = rc;
  snprintf(f->text, sizeof f->text, "%s", rc == 0 ? (const char *)generation->files[0].bytes.data : mw_err_text(err));
  mw_generation_unref(generation);
  mw_err_fini(err);
}

static void start(struct fixture *f) {
  *f = (struct fixture){0};
  assert_int_equal(mw_loop_init(&f->loop, NULL), 0);
  mw_generation_reader_start(&f->reading, &f->loop, dir, 1, NULL, NULL, on_read, f);
}

static void run_until_ended(struct fixture *f) {
  while (!f->ended) uv_run(&f->loop.uv, UV_RUN_ONCE);
}

static void a_half_written_file_is_not_read(void **state) {
  struct fixture f;
  int fd = begin_save("lua/a.lua");
  start(&f);
  for (int i = 0; i < 5; i++) {
    uv_run(&f.loop.uv, UV_RUN_ONCE);
    assert_true(mw_generation_reader_waits(&f.reading) && !f.ended);
    add(fd, "return 'whole'\n" + 3 * i);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
  }
  add(fd, "return 'whole'");
  close(fd);
  run_until_ended(&f);
  assert_false(mw_generation_reader_waits(&f.reading));
  assert_int_equal(f.rc, 0);
  assert_string_equal(f.text, "return 'whole'");
  mw_loop_fini(&f.loop);
}

static void one_that_is_written_to_without_a_pause_is_reported(void **state) {
  struct fixture f;
  char expected[256];
  int fd = begin_save("lua/a.lua");
  start(&f);
  while (!f.ended) {
    add(fd, "-- more\n");
    uv_run(&f.loop.uv, UV_RUN_ONCE);
  }
  close(fd);
  assert_int_equal(f.rc, MW_EBUSY);
  snprintf(expected, sizeof expected,
           "%s: does not come to rest: written to, or open and still empty; it is read after its next change",
           at("lua/a.lua"));
  assert_string_equal(f.text, expected);
  mw_loop_fini(&f.loop);
}

static void a_reading_may_be_cancelled(void **state) {
  struct fixture f;
  int fd = begin_save("lua/a.lua");
  start(&f);
  mw_generation_reader_cancel(&f.reading);
  close(fd);
  uv_run(&f.loop.uv, UV_RUN_NOWAIT);
  assert_false(f.ended || mw_generation_reader_waits(&f.reading));
  mw_loop_fini(&f.loop);
}

static void errors_are_those_of_files_at_rest(void **state) {
  struct fixture f;
  put("proto/a.proto", "syntax = \"proto3\";\nmessage {}\n");
  start(&f);
  run_until_ended(&f);
  assert_int_equal(f.rc, MW_EFORMAT);
  assert_non_null(strstr(f.text, "proto/a.proto:2:"));
  mw_loop_fini(&f.loop);
}

static void a_folder_that_cannot_be_read_is_an_error(void **state) {
  struct fixture f;
  char command[128];
  snprintf(command, sizeof command, "rm -r %s/lua && touch %s/lua", dir, dir);
  assert_int_equal(system(command), 0);
  start(&f);
  run_until_ended(&f);
  assert_int_equal(f.rc, MW_EIO);
  assert_non_null(strstr(f.text, "lua: Not a directory"));
  mw_loop_fini(&f.loop);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_file_has_to_rest_for_a_while),
      TEST(a_change_in_the_future_is_no_reason_to_wait),
      TEST(a_file_that_changes_during_the_look_is_waited_for),
      TEST(a_file_that_is_open_for_writing_is_waited_for),
      TEST(one_that_was_emptied_is_waited_for_as_long_as_it_is_open),
      TEST(one_that_is_open_for_reading_is_not),
      TEST(only_what_is_read_counts),
      TEST(looks_tell_changes),
      TEST(a_half_written_file_is_not_read),
      TEST(one_that_is_written_to_without_a_pause_is_reported),
      TEST(a_reading_may_be_cancelled),
      TEST(errors_are_those_of_files_at_rest),
      TEST(a_folder_that_cannot_be_read_is_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
