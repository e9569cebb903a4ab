/* Claims of addresses: one server at a time, and workers that share their server's port. */
#include <arpa/inet.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/settings/address.h"

static int claim(const char *address, char out[MW_ADDRESS_MAX]) {
  struct mw_err err = MW_ERR_INIT;
  int fd = mw_address_claim(address, out, &err);
  if (fd < 0 && fd != MW_EBUSY) fail_msg("%s", mw_err_text(&err));
  mw_err_fini(&err);
  return fd;
}

/* Opens a listening socket like a worker. */
static int listen_as_worker(const char *address) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  at.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
  int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
  assert_int_equal(listen(fd, 16), 0);
  return fd;
}

/* Connects to the listener, which ends the connection first, so that TIME_WAIT is on the listener's side. */
static void leave_time_wait(int listener) {
  struct sockaddr_in at;
  socklen_t size = sizeof at;
  char byte;
  assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &size), 0);
  int client = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(connect(client, (struct sockaddr *)&at, size), 0);
  close(accept(listener, NULL, NULL));
  assert_int_equal(read(client, &byte, 1), 0);
  close(client);
}

static void one_claim_at_a_time(void **state) {
  char address[MW_ADDRESS_MAX], again[MW_ADDRESS_MAX] = "";
  struct mw_err err = MW_ERR_INIT;
  int first = claim("127.0.0.1:0", address);
  assert_true(first >= 0);
  assert_int_equal(mw_address_claim(address, again, &err), MW_EBUSY);
  assert_non_null(strstr(mw_err_text(&err), address));
  assert_non_null(strstr(mw_err_text(&err), "the port is in use"));
  mw_err_fini(&err);
  assert_string_equal(again, "");
  close(first);
  int second = claim(address, again);
  assert_true(second >= 0);
  assert_string_equal(again, address);
  close(second);
}

static void workers_share_the_port(void **state) {
  char address[MW_ADDRESS_MAX], other[MW_ADDRESS_MAX];
  int fd = claim("127.0.0.1:0", address);
  int one = listen_as_worker(address), two = listen_as_worker(address);
  for (int i = 0; i < 8; i++) { /* no connection goes to the claim */
    struct sockaddr_in at;
    socklen_t size = sizeof at;
    int client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(getsockname(one, (struct sockaddr *)&at, &size), 0);
    assert_int_equal(connect(client, (struct sockaddr *)&at, size), 0);
    close(client);
  }
  assert_int_equal(claim(address, other), MW_EBUSY);
  close(fd);
  assert_int_equal(claim(address, other), MW_EBUSY); /* they still listen */
  close(one);
  close(two);
}

static void connections_that_linger_do_not_count(void **state) {
  char address[MW_ADDRESS_MAX];
  int fd = claim("127.0.0.1:0", address);
  int listener = listen_as_worker(address);
  leave_time_wait(listener);
  close(listener);
  close(fd);
  fd = claim(address, address);
  assert_true(fd >= 0);
  listener = listen_as_worker(address);
  close(listener);
  close(fd);
}

static void the_wildcard_includes_every_address(void **state) {
  char all[MW_ADDRESS_MAX], one[MW_ADDRESS_MAX];
  int fd = claim("0.0.0.0:0", all);
  assert_true(fd >= 0);
  snprintf(one, sizeof one, "127.0.0.1:%s", strrchr(all, ':') + 1);
  assert_int_equal(claim(one, one), MW_EBUSY);
  close(fd);
}

/* ---- many claims at once ---- */

enum { CLAIMANTS = 8, ROUNDS = 50 };

static char contested[MW_ADDRESS_MAX];
static pthread_barrier_t barrier;
static atomic_int holders;

/* In each round all claim the same port; the winner keeps it until all have tried. */
static void *claim_again_and_again(void *arg) {
  for (int i = 0; i < ROUNDS; i++) {
    char out[MW_ADDRESS_MAX];
    pthread_barrier_wait(&barrier);
    int fd = mw_address_claim(contested, out, NULL);
    if (fd >= 0) atomic_fetch_add(&holders, 1);
    pthread_barrier_wait(&barrier);
    if (atomic_load(&holders) > 1) return "two hold the port";
    pthread_barrier_wait(&barrier);
    if (fd >= 0) {
      atomic_fetch_sub(&holders, 1);
      close(fd);
    }
  }
  return NULL;
}

static void never_two_of_many(void **state) {
  pthread_t threads[CLAIMANTS];
  void *finding, *first = NULL;
  int fd = claim("127.0.0.1:0", contested);
  close(fd);
  pthread_barrier_init(&barrier, NULL, CLAIMANTS);
  for (int i = 0; i < CLAIMANTS; i++) pthread_create(&threads[i], NULL, claim_again_and_again, NULL);
  for (int i = 0; i < CLAIMANTS; i++) {
    pthread_join(threads[i], &finding);
    if (finding) first = finding;
  }
  pthread_barrier_destroy(&barrier);
  if (first) fail_msg("%s", (const char *)first);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_claim_at_a_time),
      cmocka_unit_test(workers_share_the_port),
      cmocka_unit_test(connections_that_linger_do_not_count),
      cmocka_unit_test(the_wildcard_includes_every_address),
      cmocka_unit_test(never_two_of_many),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
