/* Connections that should speak TLS and do not, or not to the end. */
#include "http_fixture.h"
#include "tls_files.h"

static struct server server;
static struct client client;

static void open_with(struct mw_engine_limits limits) {
  struct mw_tls_config tls = {.cert_file = in_dir("server.pem"), .key_file = in_dir("server.key")};
  server_open(&server, &(struct mw_engine_config){.tls = &tls, .limits = limits});
}

static int teardown(void **state) {
  server_close(&server);
  return 0;
}

/* A connection that the server has taken. */
static void connect_and_wait(void) {
  client_connect(&client, &server, false);
  UNTIL(&server, mw_http_engine_of(server.engine)->conns_open == 1);
}

/* The first bytes of a handshake: a record that would be longer. */
static void begin_handshake(void) {
  static const uint8_t hello[] = {22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3};
  client_write(&client, hello, sizeof hello);
}

static void assert_ended(const char *reason, const char *detail) {
  UNTIL(&server, client.eof);
  assert_int_equal(logged(&server, reason), 1);
  if (detail) assert_int_equal(logged(&server, detail), 1);
  UNTIL(&server, mw_http_engine_of(server.engine)->conns_open == 0);
  client_close(&client);
}

static void one_that_says_nothing_is_ended_in_time(void **state) {
  open_with((struct mw_engine_limits){.handshake_seconds = 0.05});
  connect_and_wait();
  assert_ended("reason=handshake", NULL);
}

static void one_that_does_not_finish_its_handshake_is_ended_in_time(void **state) {
  open_with((struct mw_engine_limits){.handshake_seconds = 0.05});
  connect_and_wait();
  begin_handshake();
  assert_ended("reason=handshake", NULL);
}

static void plain_text_is_refused_and_told(void **state) {
  open_with((struct mw_engine_limits){0});
  client_connect(&client, &server, false);
  client_write(&client, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN);
  assert_ended("reason=tls", "detail=\"wrong version number\"");
}

/* Nobody waits for what they could still say. */
static void handshakes_do_not_hold_up_the_end(void **state) {
  open_with((struct mw_engine_limits){0});
  struct client silent;
  client_connect(&silent, &server, false);
  client_connect(&client, &server, false);
  UNTIL(&server, mw_http_engine_of(server.engine)->conns_open == 2);
  begin_handshake();
  for (int i = 0; i < 3; i++) turn(&server);
  server.engine->ops->stop(server.engine);
  server.engine->ops->run(server.engine);
  assert_false(mw_http_engine_of(server.engine)->late);
  assert_int_equal(mw_http_engine_of(server.engine)->conns_open, 0);
  client_close(&client);
  client_close(&silent);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

static int make_files(void **state) {
  make_certificates();
  return 0;
}

static int remove_files(void **state) {
  remove_certificates();
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(one_that_says_nothing_is_ended_in_time),
      TEST(one_that_does_not_finish_its_handshake_is_ended_in_time),
      TEST(plain_text_is_refused_and_told),
      TEST(handshakes_do_not_hold_up_the_end),
  };
  return cmocka_run_group_tests(tests, make_files, remove_files);
}
