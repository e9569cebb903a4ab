/* Connections that cannot be served: they are closed, and later ones are served. */
#include "http_fixture.h"

#include "failmalloc.h"

#include <sys/resource.h>

enum { MOST = 3, MORE = 20 };

static struct server server;
static struct client clients[MOST + MORE];

static int setup(void **state) {
  const struct mw_engine_config config = {.limits = {.connections = MOST}};
  server_open(&server, &config);
  return 0;
}

static int teardown(void **state) {
  server_close(&server);
  return 0;
}

static void assert_serves(struct client *client, int32_t stream) {
  client_echo(client, stream);
  UNTIL(&server, got_of(client, stream)->ended);
  assert_int_equal(got_of(client, stream)->status, MW_CODE_OK);
}

static void connections_over_the_limit_are_closed(void **state) {
  for (int i = 0; i < MOST; i++) client_open(&clients[i], &server);
  for (int i = MOST; i < MOST + MORE; i++) client_connect(&clients[i], &server, false);
  for (int i = MOST; i < MOST + MORE; i++) UNTIL(&server, clients[i].eof);
  for (int i = 0; i < MOST; i++) assert_serves(&clients[i], 1);
  assert_in_range(logged(&server, "connection refused: too many connections"), 1, MORE / 2);
  double total;
  assert_true(mw_metrics_total(server.metrics, "moonwire_connections_ended_total", &total, NULL));
  assert_int_equal(total, MORE);
  for (int i = 0; i < MOST + MORE; i++) client_close(&clients[i]);
}

static void a_connection_that_ends_makes_room(void **state) {
  for (int i = 0; i < MOST; i++) client_open(&clients[i], &server);
  client_close(&clients[0]);
  UNTIL(&server, mw_http_engine_of(server.engine)->conns_open == MOST - 1);
  client_open(&clients[0], &server);
  assert_serves(&clients[0], 1);
  for (int i = 0; i < MOST; i++) client_close(&clients[i]);
}

/* Whichever of the allocations of a connection fails, the next one is served. */
static void without_memory_one_is_closed_and_the_next_served(void **state) {
  for (size_t n = 1; n <= 12; n++) {
    client_connect(&clients[0], &server, false);
    failmalloc_start(n, false);
    for (int i = 0; i < 3; i++) turn(&server);
    failmalloc_stop();
    client_open(&clients[1], &server);
    assert_serves(&clients[1], 1);
    client_close(&clients[0]);
    client_close(&clients[1]);
    UNTIL(&server, mw_http_engine_of(server.engine)->conns_open == 0);
  }
  assert_in_range(logged(&server, "connection refused: out of memory"), 1, 12);
}

static void without_file_descriptors_later_connections_are_served(void **state) {
  struct rlimit before, few;
  for (int i = 0; i < MORE; i++) client_connect(&clients[i], &server, false);
  int next = dup(0);
  close(next);
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  few = (struct rlimit){(rlim_t)next, before.rlim_max};
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
  for (int i = 0; i < 3; i++) turn(&server);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  for (int i = 0; i < MORE; i++) client_close(&clients[i]);
  UNTIL(&server, mw_http_engine_of(server.engine)->conns_open == 0);
  client_open(&clients[0], &server);
  assert_serves(&clients[0], 1);
  client_close(&clients[0]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(connections_over_the_limit_are_closed),
      TEST(a_connection_that_ends_makes_room),
      TEST(without_memory_one_is_closed_and_the_next_served),
      TEST(without_file_descriptors_later_connections_are_served),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
