/* Temporary folders: those of live processes stay, those of killed processes are removed. */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/files/fs.h"
#include "server/files/temporary.h"

static char place[] = "/tmp/temporary_testXXXXXX";

static int setup(void **state) {
  assert_non_null(mkdtemp(place));
  return setenv("TMPDIR", place, 1);
}

static int teardown(void **state) {
  mw_folder_remove(place);
  return 0;
}

static unsigned entries(void) {
  unsigned n = 0;
  DIR *folder = opendir(place);
  for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) n += entry->d_name[0] != '.';
  closedir(folder);
  return n;
}

static struct mw_temporary make(void) {
  struct mw_temporary made = MW_TEMPORARY_INIT;
  struct mw_err err = MW_ERR_INIT;
  if (mw_temporary_make(&made, &err) != 0) fail_msg("%s", mw_err_text(&err));
  return made;
}

static void fill(const char *path) {
  char name[256];
  snprintf(name, sizeof name, "%s/a/b", path);
  assert_int_equal(mw_folder_make(name), 0);
  snprintf(name, sizeof name, "%s/a/file", path);
  fclose(fopen(name, "w"));
}

static void one_is_private_and_goes_with_all_in_it(void **state) {
  struct stat info;
  struct mw_temporary made = make();
  assert_int_equal(stat(made.path, &info), 0);
  assert_int_equal(info.st_mode & 07777, 0700);
  assert_int_equal(strncmp(made.path, place, strlen(place)), 0);
  fill(made.path);
  mw_temporary_remove(&made);
  assert_int_equal(entries(), 0);
  mw_temporary_remove(&made);
}

/* Starts a process that has a folder until it is killed. */
static pid_t start_owner(void) {
  int ends[2];
  char byte;
  assert_int_equal(pipe(ends), 0);
  pid_t pid = fork();
  if (pid == 0) {
    struct mw_temporary made = MW_TEMPORARY_INIT;
    if (mw_temporary_make(&made, NULL) != 0) _exit(1);
    fill(made.path);
    if (write(ends[1], "x", 1) == 1) pause();
    _exit(1);
  }
  close(ends[1]);
  assert_int_equal(read(ends[0], &byte, 1), 1);
  close(ends[0]);
  return pid;
}

static void kill_owner(pid_t pid) {
  int status;
  kill(pid, SIGKILL);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFSIGNALED(status));
}

static void those_of_the_killed_go_when_another_is_made(void **state) {
  pid_t lives = start_owner(), dies = start_owner();
  assert_int_equal(entries(), 2);
  kill_owner(dies);
  struct mw_temporary one = make();
  assert_int_equal(entries(), 2);
  struct mw_temporary other = make();
  assert_int_equal(entries(), 3);
  mw_temporary_remove(&one);
  mw_temporary_remove(&other);
  assert_int_equal(entries(), 1);
  kill_owner(lives);
  one = make();
  assert_int_equal(entries(), 1);
  mw_temporary_remove(&one);
}

static void make_folder(const char *name, mode_t mode) {
  char path[256];
  snprintf(path, sizeof path, "%s/%s", place, name);
  assert_int_equal(mkdir(path, 0700), 0);
  assert_int_equal(chmod(path, mode), 0);
}

static void what_is_not_ours_stays(void **state) {
  char path[256], link[256];
  make_folder("moonwire-backup", 0700);
  make_folder("moonwire-tmp-shared", 0755);
  make_folder("elsewhere", 0700);
  snprintf(path, sizeof path, "%s/elsewhere", place);
  snprintf(link, sizeof link, "%s/moonwire-tmp-link", place);
  assert_int_equal(symlink(path, link), 0);
  struct mw_temporary made = make();
  assert_int_equal(entries(), 5);
  mw_temporary_remove(&made);
  assert_int_equal(entries(), 4);
}

static void where_none_can_be_is_said(void **state) {
  struct mw_temporary made = MW_TEMPORARY_INIT;
  struct mw_err err = MW_ERR_INIT;
  setenv("TMPDIR", "/nonexistent", 1);
  assert_int_equal(mw_temporary_make(&made, &err), MW_EIO);
  assert_string_equal(mw_err_text(&err), "cannot make a temporary folder in /nonexistent: No such file or directory");
  assert_null(made.path);
  mw_err_fini(&err);
  setenv("TMPDIR", place, 1);
}

/* ---- many at once ---- */

enum { MAKERS = 8, ROUNDS = 100 };

/* No sweep of another process may remove a folder that this one has just created. */
static void make_again_and_again(void) {
  for (int i = 0; i < ROUNDS; i++) {
    struct mw_temporary made = MW_TEMPORARY_INIT;
    char name[256];
    if (mw_temporary_make(&made, NULL) != 0) _exit(1);
    snprintf(name, sizeof name, "%s/a", made.path);
    if (mkdir(name, 0700) != 0) _exit(2);
    mw_temporary_remove(&made);
  }
  _exit(0);
}

static void many_at_once_do_not_disturb_each_other(void **state) {
  pid_t pids[MAKERS];
  unsigned before = entries();
  for (int i = 0; i < MAKERS; i++) {
    if ((pids[i] = fork()) == 0) make_again_and_again();
  }
  for (int i = 0; i < MAKERS; i++) {
    int status;
    assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
    assert_int_equal(status, 0);
  }
  assert_int_equal(entries(), before);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_is_private_and_goes_with_all_in_it),
      cmocka_unit_test(those_of_the_killed_go_when_another_is_made),
      cmocka_unit_test(what_is_not_ours_stays),
      cmocka_unit_test(where_none_can_be_is_said),
      cmocka_unit_test(many_at_once_do_not_disturb_each_other),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
