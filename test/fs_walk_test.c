/* Walks paths of scripts while another thread replaces folders on them by links. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "bind/files/fs_path.h"
#include "server/files/fs.h"

static char place[] = "/tmp/fs_walk_testXXXXXX";
static struct mw_files files;

static void make(const char *name) { assert_int_equal(mkdir(name, 0777), 0); }

static int setup(void **state) {
  assert_non_null(mkdtemp(place));
  assert_int_equal(chdir(place), 0);
  make("files");
  make("outside");
  files.fd = open("files", O_PATH | O_DIRECTORY | O_CLOEXEC);
  return files.fd < 0;
}

static int teardown(void **state) {
  close(files.fd);
  assert_int_equal(chdir("/"), 0);
  mw_folder_remove(place);
  return 0;
}

static void paths_are_normalised(void **state) {
  static const struct {
    const char *path, *normal;
    bool inside;
  } cases[] = {{"a/b", "a/b", true},     {"", "", true},
               {".", "", true},          {"./a//b/./", "a/b", true},
               {"a/..", "", true},       {"a/b/../c", "a/c", true},
               {"..", "", false},        {"a/../../b", "b", false},
               {"/", "/", true},         {"//a/./b/", "/a/b", true},
               {"/a/../b", "/b", true},  {"/..", "/", false},
               {"a/...", "a/...", true}, {"..a", "..a", true},
               {"a/b/..", "a", true},    {"/a/..", "/", true}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char text[32];
    snprintf(text, sizeof text, "%s", cases[i].path);
    assert_int_equal(mw_fs_normalise(text), cases[i].inside);
    assert_string_equal(text, cases[i].normal);
  }
}

static int record_name(int folder, const char *name, void *arg) {
  snprintf(arg, 64, "%s", name);
  return 0;
}

static void overlong_paths_are_rejected(void **state) {
  char path[8192], name[64];
  for (size_t i = 0; i + 1 < sizeof path; i++) path[i] = i % 2 ? '/' : 'a';
  path[sizeof path - 1] = '\0';
  assert_int_equal(mw_fs_at(&files, path, true, record_name, name), ENAMETOOLONG);
  assert_int_equal(mw_fs_at(&files, "a/b", false, record_name, name), ENOENT);
  assert_int_equal(mw_fs_at(&files, "", false, record_name, name), 0);
  assert_string_equal(name, ".");
}

/* A link that the setting files.folders names, below another folder that it names. */
static void paths_start_from_the_innermost_folder(void **state) {
  char outer[64], inner[80], path[96], name[64];
  snprintf(outer, sizeof outer, "%s/outer", place);
  snprintf(inner, sizeof inner, "%s/inner", outer);
  snprintf(path, sizeof path, "%s/x", inner);
  make("outer");
  assert_int_equal(symlink("../outside", "outer/inner"), 0);
  char *folders[] = {outer, inner};
  struct mw_files named = {files.fd, folders, 1};
  assert_int_equal(mw_fs_at(&named, path, false, record_name, name), MW_FS_OUTSIDE);
  named.n_folders = 2;
  assert_int_equal(mw_fs_at(&named, path, false, record_name, name), 0);
  assert_string_equal(name, "x");
  assert_int_equal(mw_fs_at(&named, inner, false, record_name, name), 0);
  assert_string_equal(name, ".");
}

/* ---- swapping ---- */

static atomic_bool done;

/* Makes files/d a folder and a link that leads out in turn. */
static void *swap(void *arg) {
  while (!atomic_load(&done)) {
    if (renameat2(AT_FDCWD, "files/d", AT_FDCWD, "link", RENAME_EXCHANGE) != 0) abort();
  }
  return NULL;
}

static void use(unsigned i, unsigned *inside, unsigned *refused) {
  char *temp, name[32];
  int fd;
  snprintf(name, sizeof name, "d/e/%u", i);
  int error = i % 2 ? mw_fs_make_folders(&files, name) : mw_fs_make_temp(&files, "d/e", &fd, &temp);
  if (i % 2 == 0 && error == 0) {
    error = mw_fs_publish(&files, fd, temp, name, true);
    close(fd);
    free(temp);
  }
  if (error == 0) ++*inside;
  else if (error == MW_FS_OUTSIDE) ++*refused;
  else if (error != ENOENT) fail_msg("%s: %s", name, strerror(error));
  mw_fs_remove(&files, name);
}

static void a_folder_swapped_for_a_link_never_leads_outside(void **state) {
  make("files/d");
  make("files/d/e");
  make("outside/e");
  assert_int_equal(symlink("../outside", "link"), 0);
  struct stat before, after;
  assert_int_equal(stat("outside/e", &before), 0);
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, swap, NULL), 0);
  unsigned inside = 0, refused = 0;
  for (unsigned i = 0; i < 20000 || inside == 0 || refused == 0; i++) use(i, &inside, &refused);
  atomic_store(&done, true);
  pthread_join(thread, NULL);
  assert_int_equal(stat("outside/e", &after), 0);
  assert_int_equal(after.st_mtim.tv_sec, before.st_mtim.tv_sec); /* nothing was created there, even briefly */
  assert_int_equal(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
  assert_int_equal(after.st_nlink, 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(paths_are_normalised),
      cmocka_unit_test(overlong_paths_are_rejected),
      cmocka_unit_test(paths_start_from_the_innermost_folder),
      cmocka_unit_test(a_folder_swapped_for_a_link_never_leads_outside),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
