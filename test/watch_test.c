/* The file watch reports every way in which a project changes on disk, and ignores changes outside it. */
#include "watch_fixture.h"

#include <string.h>
#include <unistd.h>

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
  move("proto/a.proto", "data/a.proto"); /* a file moved out of the project counts as deleted */
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
  make_dir("proto/x/y/z"); /* created and filled before the watch reads it */
  put("proto/x/y/z/b.proto", "1");
  assert_told(f);
  assert_watched(f, "proto/x/y/z/b.proto");
  make_dir("lua/x/.hidden");
  assert_not_told(f);
}

static void a_folder_moved_in_is_watched_and_out_is_not(void **state) {
  struct fixture *f = *state;
  int watches = count_watches();
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
  assert_int_equal(count_watches(), watches);
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
  for (int i = 0; i < 3; i++) { /* not watched meanwhile */
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

/* A volume as container platforms mount it: every file is a link through "..data", which a rename swaps. */
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
  make_link("../mount/..data/", "lua/volume"); /* a folder after two links */
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
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
