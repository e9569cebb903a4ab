/* Listeners: Unix sockets and their files, and sockets that the process inherits. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/settings/listener.h"

static char dir[] = "/tmp/listener_testXXXXXX";
static char path[64], address[70];

static int setup(void **state) {
  assert_non_null(mkdtemp(dir));
  snprintf(path, sizeof path, "%s/socket", dir);
  snprintf(address, sizeof address, "unix:%s", path);
  return 0;
}

static int teardown(void **state) { return rmdir(dir); }

static bool exists(void) { return access(path, F_OK) == 0; }

static void open_listener(struct mw_listener *listener, const char *at) {
  struct mw_err err = MW_ERR_INIT;
  if (mw_listener_open(listener, at, &err) != 0) fail_msg("%s", mw_err_text(&err));
}

static void refuses(const char *at, int code, const char *words) {
  struct mw_listener listener;
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(mw_listener_open(&listener, at, &err), code);
  assert_string_equal(mw_err_text(&err), words);
  mw_err_fini(&err);
}

static int connect_to_path(void) {
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  int rc = connect(fd, (const struct sockaddr *)&at, sizeof at);
  close(fd);
  return rc;
}

static void a_unix_socket_has_a_file_as_long_as_it_is_open(void **state) {
  struct mw_listener listener;
  open_listener(&listener, address);
  assert_string_equal(listener.address, address);
  assert_true(listener.fd >= 0);
  assert_int_equal(connect_to_path(), 0);
  mw_listener_close(&listener);
  assert_false(exists());
  mw_listener_close(&listener);
  assert_string_equal(listener.address, address);
}

static void one_that_is_in_use_is_refused(void **state) {
  struct mw_listener listener;
  char words[256];
  open_listener(&listener, address);
  snprintf(words, sizeof words, "%s: the socket is in use: stop the server there, or choose another with --listen",
           address);
  refuses(address, MW_EBUSY, words);
  assert_int_equal(connect_to_path(), 0);
  mw_listener_close(&listener);
}

static void one_that_nobody_listens_on_is_replaced(void **state) {
  struct mw_listener gone, listener;
  open_listener(&gone, address);
  close(gone.fd); /* as if its process was killed */
  assert_true(exists());
  assert_int_equal(connect_to_path(), -1);
  open_listener(&listener, address);
  assert_int_equal(connect_to_path(), 0);
  mw_listener_close(&listener);
  assert_false(exists());
}

static void a_file_that_took_its_place_stays(void **state) {
  struct mw_listener first, second;
  open_listener(&first, address);
  unlink(path);
  open_listener(&second, address);
  mw_listener_close(&first);
  assert_int_equal(connect_to_path(), 0);
  mw_listener_close(&second);
  assert_false(exists());
}

static void what_cannot_be_is_said(void **state) {
  char words[256], long_address[200];
  close(open(path, O_CREAT | O_WRONLY, 0600));
  snprintf(words, sizeof words, "cannot listen on %s: there is a file of that name which is no socket", address);
  refuses(address, MW_EEXIST, words);
  assert_true(exists());
  unlink(path);

  refuses("unix:", MW_EINVAL, "unix:: expected unix:PATH with a path of 1 to 107 bytes");
  snprintf(long_address, sizeof long_address, "unix:%0108d", 0);
  snprintf(words, sizeof words, "%s: expected unix:PATH with a path of 1 to 107 bytes", long_address);
  refuses(long_address, MW_EINVAL, words);
  refuses("unix:/nonexistent/socket", MW_EIO, "cannot listen on unix:/nonexistent/socket: No such file or directory");
}

static void the_umask_says_who_may_connect(void **state) {
  struct mw_listener listener;
  struct stat info;
  mode_t before = umask(0027);
  open_listener(&listener, address);
  umask(before);
  assert_int_equal(stat(path, &info), 0);
  assert_int_equal(info.st_mode & 0777, 0750);
  mw_listener_close(&listener);
}

/* ---- inherited sockets ---- */

static bool listen_fails;
static atomic_uint refused_locks;

/* These two replace libc's in this program. */
int listen(int fd, int backlog) {
  if (!listen_fails) return (int)syscall(SYS_listen, fd, backlog);
  errno = ENOBUFS;
  return -1;
}

int flock(int fd, int operation) {
  int rc = (int)syscall(SYS_flock, fd, operation);
  if (rc != 0) atomic_fetch_add(&refused_locks, 1);
  return rc;
}

static void one_that_cannot_listen_leaves_no_file(void **state) {
  char words[256];
  listen_fails = true;
  snprintf(words, sizeof words, "cannot listen on %s: No buffer space available", address);
  refuses(address, MW_EIO, words);
  listen_fails = false;
  assert_false(exists());
}

static int lock_folder(void) {
  int fd = open(dir, O_RDONLY | O_DIRECTORY);
  assert_int_equal(flock(fd, LOCK_EX), 0);
  return fd;
}

static void a_folder_that_stays_locked_is_an_error(void **state) {
  char words[256];
  int lock = lock_folder();
  snprintf(words, sizeof words, "cannot listen on %s: another process keeps a lock on its folder", address);
  refuses(address, MW_EBUSY, words);
  assert_false(exists());
  close(lock);
}

static void *open_it(void *listener) {
  open_listener(listener, address);
  return NULL;
}

static void a_folder_that_is_locked_for_a_while_is_waited_for(void **state) {
  struct mw_listener listener;
  pthread_t thread;
  int lock = lock_folder();
  atomic_store(&refused_locks, 0);
  assert_int_equal(pthread_create(&thread, NULL, open_it, &listener), 0);
  while (atomic_load(&refused_locks) == 0) sched_yield();
  assert_false(exists());
  close(lock);
  pthread_join(thread, NULL);
  assert_int_equal(connect_to_path(), 0);
  mw_listener_close(&listener);
}

static void an_inherited_socket_is_named_and_closed(void **state) {
  struct mw_listener first, listener;
  open_listener(&first, address);
  assert_int_equal(mw_listener_inherit(&listener, dup(first.fd), NULL), 0);
  assert_string_equal(listener.address, address);
  assert_int_equal(fcntl(listener.fd, F_GETFD), FD_CLOEXEC);
  mw_listener_close(&listener);
  assert_true(exists()); /* it belongs to its creator */
  mw_listener_close(&first);

  int fd = socket(AF_INET6, SOCK_STREAM, 0);
  assert_int_equal(listen(fd, 1), 0);
  assert_int_equal(mw_listener_inherit(&listener, fd, NULL), 0);
  assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  assert_int_equal(strncmp(listener.address, "[::]:", 5), 0);
  mw_listener_close(&listener);
  assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void what_does_not_listen_cannot_be_inherited(void **state) {
  int fds[] = {socket(AF_INET, SOCK_STREAM, 0), socket(AF_INET, SOCK_DGRAM, 0), open("/dev/null", O_RDONLY)};
  for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
    struct mw_listener listener;
    struct mw_err err = MW_ERR_INIT;
    char words[128];
    snprintf(words, sizeof words, "LISTEN_FDS: descriptor %d is not a stream socket that listens", fds[i]);
    assert_int_equal(mw_listener_inherit(&listener, fds[i], &err), MW_EINVAL);
    assert_string_equal(mw_err_text(&err), words);
    mw_err_fini(&err);
  }
}

static int count(const char *pid, const char *fds, struct mw_err *err) {
  setenv("LISTEN_PID", pid, 1);
  setenv("LISTEN_FDS", fds, 1);
  setenv("LISTEN_FDNAMES", "a:b", 1);
  int n = mw_listener_count_inherited(err);
  assert_null(getenv("LISTEN_PID"));
  assert_null(getenv("LISTEN_FDS"));
  assert_null(getenv("LISTEN_FDNAMES"));
  return n;
}

static void the_environment_says_how_many(void **state) {
  char own[16];
  struct mw_err err = MW_ERR_INIT;
  snprintf(own, sizeof own, "%d", getpid());
  assert_int_equal(mw_listener_count_inherited(&err), 0);
  assert_int_equal(count(own, "2", &err), 2);
  assert_int_equal(count("1", "2", &err), 0); /* meant for another process */
  assert_int_equal(count("", "2", &err), 0);
  assert_null(err.text);
  assert_int_equal(count(own, "17", &err), MW_EINVAL);
  assert_string_equal(mw_err_text(&err), "LISTEN_FDS=17: expected a number from 0 to 16");
  assert_int_equal(count(own, "two", &err), MW_EINVAL);
  assert_string_equal(mw_err_text(&err), "LISTEN_FDS=two: expected a number from 0 to 16");
  mw_err_fini(&err);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_unix_socket_has_a_file_as_long_as_it_is_open),
      cmocka_unit_test(one_that_is_in_use_is_refused),
      cmocka_unit_test(one_that_nobody_listens_on_is_replaced),
      cmocka_unit_test(a_file_that_took_its_place_stays),
      cmocka_unit_test(what_cannot_be_is_said),
      cmocka_unit_test(the_umask_says_who_may_connect),
      cmocka_unit_test(one_that_cannot_listen_leaves_no_file),
      cmocka_unit_test(a_folder_that_stays_locked_is_an_error),
      cmocka_unit_test(a_folder_that_is_locked_for_a_while_is_waited_for),
      cmocka_unit_test(an_inherited_socket_is_named_and_closed),
      cmocka_unit_test(what_does_not_listen_cannot_be_inherited),
      cmocka_unit_test(the_environment_says_how_many),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
