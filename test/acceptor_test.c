/* Accepting from sockets of a loop: at the limit of descriptors, and until it is closed. */
#include "loop/acceptor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "until.h"

enum { MORE = 100 };

static struct mw_loop loop;
static struct mw_acceptors acceptors;
static struct sockaddr_storage at; /* of the listening socket */
static socklen_t at_size;
static int listening;
static struct rlimit before;

/* Results of the callbacks. */
static int accepted, refused, waits, last_error, last_fd;
static struct sockaddr_storage last_peer;
static bool close_on_accept;

static void on_accepted(void *arg, int fd, const struct sockaddr_storage *peer, socklen_t size) {
  assert_ptr_equal(arg, &loop);
  accepted++;
  last_fd = fd;
  last_peer = *peer;
  if (close_on_accept) mw_acceptors_close(&acceptors);
}

static void on_failed(void *arg, int error, bool waiting) {
  assert_ptr_equal(arg, &loop);
  if (waiting) waits++;
  else refused++;
  last_error = error;
}

static void turn(void) { uv_run(&loop.uv, UV_RUN_NOWAIT); }

#define UNTIL(condition) TURN_UNTIL(turn(), condition)

static int setup(void **state) {
  accepted = refused = waits = last_error = 0;
  last_fd = -1;
  close_on_accept = false;
  assert_int_equal(mw_loop_init(&loop, NULL), 0);
  mw_acceptors_init(&acceptors, &loop, on_accepted, on_failed, &loop);
  struct sockaddr_in address;
  uv_ip4_addr("127.0.0.1", 0, &address);
  listening = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(bind(listening, (const struct sockaddr *)&address, sizeof address), 0);
  assert_int_equal(listen(listening, 128), 0);
  at_size = sizeof at;
  assert_int_equal(getsockname(listening, (struct sockaddr *)&at, &at_size), 0);
  assert_int_equal(mw_acceptors_accept_from(&acceptors, listening, "here", NULL), 0);
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  return 0;
}

static int teardown(void **state) {
  setrlimit(RLIMIT_NOFILE, &before);
  mw_acceptors_close(&acceptors);
  mw_loop_fini(&loop);
  if (listening >= 0) close(listening);
  return 0;
}

static int new_client(void) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(connect(fd, (const struct sockaddr *)&at, at_size), 0);
  return fd;
}

/* Leaves the process `more` free descriptors. */
static void allow(int more) {
  int fds[MORE], n = 0;
  while (n <= more) fds[n++] = dup(STDIN_FILENO);
  rlim_t most = (rlim_t)fds[n - 1];
  while (n > 0) close(fds[--n]);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){most, before.rlim_max}), 0);
}

static bool has_ended(int fd) {
  char byte;
  ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);
  return n == 0 || (n < 0 && errno != EAGAIN);
}

static void a_connection_comes_with_its_peer(void **state) {
  int client = new_client();
  UNTIL(accepted == 1);
  struct sockaddr_in own;
  socklen_t size = sizeof own;
  getsockname(client, (struct sockaddr *)&own, &size);
  assert_int_equal(((struct sockaddr_in *)(void *)&last_peer)->sin_port, own.sin_port);
  close(client);
  close(last_fd);
}

static void without_descriptors_connections_are_refused_until_there_are_some(void **state) {
  int clients[10];
  for (int i = 0; i < 10; i++) clients[i] = new_client();
  allow(2);
  UNTIL(accepted + refused == 10);
  assert_int_equal(accepted, 2);
  assert_int_equal(last_error, EMFILE);
  int ended = 0;
  for (int i = 0; i < 10; i++) ended += has_ended(clients[i]);
  assert_int_equal(ended, 8);
  assert_int_equal(waits, 0);
  for (int i = 0; i < 10; i++) close(clients[i]);
  close(last_fd);
  int next = new_client();
  UNTIL(accepted == 3);
  close(next);
}

/* One at a time; the others wait in the queue. */
static void a_set_that_spends_its_reserve_serves_one_without_descriptors(void **state) {
  int clients[3];
  acceptors.spends = true;
  for (int i = 0; i < 3; i++) clients[i] = new_client();
  allow(0);
  for (int i = 1; i <= 3; i++) {
    UNTIL(accepted == i);
    assert_int_equal(acceptors.reserve, -1);
    assert_int_equal(close(last_fd), 0);
    mw_acceptors_reserve(&acceptors);
    assert_true(acceptors.reserve >= 0);
  }
  assert_int_equal(refused, 0);
  for (int i = 0; i < 3; i++) close(clients[i]);
}

/* If another thread takes the reserve, the acceptor does not spin, and continues when it gets a descriptor. */
static void without_a_reserve_connections_wait(void **state) {
  int client = new_client();
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){3, before.rlim_max}), 0);
  UNTIL(waits == 1);
  for (int i = 0; i < 10; i++) turn();
  assert_int_equal(waits, 1);
  assert_false(has_ended(client));
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  UNTIL(accepted == 1);
  assert_int_equal(refused, 0);
  assert_true(acceptors.reserve >= 0);
  close(client);
  close(last_fd);
}

static void one_that_pauses_can_be_closed(void **state) {
  int client = new_client();
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){3, before.rlim_max}), 0);
  UNTIL(waits == 1);
  mw_acceptors_close(&acceptors);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  mw_loop_fini(&loop); /* it would wait for a timer */
  assert_int_equal(accepted, 0);
  close(client);
  assert_int_equal(mw_loop_init(&loop, NULL), 0);
}

static void a_callback_may_close_it(void **state) {
  int first = new_client(), second = new_client();
  close_on_accept = true;
  UNTIL(accepted == 1);
  for (int i = 0; i < 10; i++) turn();
  assert_int_equal(accepted, 1);
  close(first);
  close(second);
  close(last_fd);
}

static void a_closed_one_gives_the_port_back(void **state) {
  mw_acceptors_close(&acceptors);
  close(listening);
  listening = -1;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(connect(fd, (const struct sockaddr *)&at, at_size), -1);
  assert_int_equal(errno, ECONNREFUSED);
  close(fd);
}

static void a_name_is_listened_on_at_each_of_its_addresses(void **state) {
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(mw_acceptors_listen(&acceptors, "nonsense", &err), MW_EINVAL);
  assert_non_null(strstr(mw_err_text(&err), "nonsense: expected HOST:PORT"));
  char address[64], expected[128];
  unsigned port = ntohs(((struct sockaddr_in *)(void *)&at)->sin_port);
  snprintf(address, sizeof address, "127.0.0.1:%u", port);
  snprintf(expected, sizeof expected, "cannot listen on %s: Address already in use", address);
  assert_int_equal(mw_acceptors_listen(&acceptors, address, &err), MW_EIO);
  assert_string_equal(mw_err_text(&err), expected);
  mw_acceptors_close(&acceptors);
  close(listening);
  listening = -1;
  assert_int_equal(mw_acceptors_listen(&acceptors, address, &err), 0);
  int client = new_client();
  UNTIL(accepted == 1);
  close(client);
  close(last_fd);
  mw_err_fini(&err);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_connection_comes_with_its_peer),
      TEST(without_descriptors_connections_are_refused_until_there_are_some),
      TEST(a_set_that_spends_its_reserve_serves_one_without_descriptors),
      TEST(without_a_reserve_connections_wait),
      TEST(one_that_pauses_can_be_closed),
      TEST(a_callback_may_close_it),
      TEST(a_closed_one_gives_the_port_back),
      TEST(a_name_is_listened_on_at_each_of_its_addresses),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
