/* Connections that should speak TLS and do not, or do not finish the handshake. */
#include "http_fixture.h"
#include "tls_files.h"

#include "engine/http/conn/tls.h"

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

/* Connects, and waits until the server has accepted. */
static void connect_and_wait(void) {
  client_connect(&client, &server, false);
  UNTIL(&server, mw_http_engine_of(server.engine)->conns_open == 1);
}

/* Sends the first bytes of a handshake: an incomplete record. */
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

static void a_silent_one_is_disconnected_in_time(void **state) {
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

static void plain_text_is_refused_and_logged(void **state) {
  open_with((struct mw_engine_limits){0});
  client_connect(&client, &server, false);
  client_write(&client, NGHTTP2_CLIENT_MAGIC, NGHTTP2_CLIENT_MAGIC_LEN);
  assert_ended("reason=tls", "detail=\"wrong version number\"");
}

/* A stopping server does not wait for unfinished handshakes. */
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
  assert_false(mw_http_engine_of(server.engine)->flush_expired);
  assert_int_equal(mw_http_engine_of(server.engine)->conns_open, 0);
  client_close(&client);
  client_close(&silent);
}

/* ---- files ---- */

/* Writes the first `len` bytes of a file, then `more`. */
static void write_part(const char *to, const char *from, size_t len, const char *more) {
  struct mw_buf bytes = MW_BUF_INIT;
  assert_int_equal(mw_buf_read_file(&bytes, in_dir(from), 1 << 20, NULL), 0);
  FILE *file = fopen(in_dir(to), "w");
  assert_non_null(file);
  fwrite(bytes.data, 1, len < bytes.len ? len : bytes.len, file);
  fputs(more, file);
  fclose(file);
  mw_buf_fini(&bytes);
}

static void assert_refused(const char *cert, const char *key, const char *ca, const char *expected) {
  struct mw_tls_config tls = {in_dir(cert), in_dir(key), ca ? in_dir(ca) : NULL};
  struct mw_http_tls_context *context;
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(mw_http_tls_context_new(&context, &tls, &err), MW_EINVAL);
  if (!strstr(mw_err_text(&err), expected)) fail_msg("%s", mw_err_text(&err));
  mw_err_fini(&err);
}

static void files_that_cannot_be_used_are_named_with_the_cause(void **state) {
  write_part("half.pem", "server.pem", 300, "");
  write_part("chain.pem", "server.pem", SIZE_MAX, "-----BEGIN CERTIFICATE-----\nAAAA\n");
  write_part("half.key", "server.key", 100, "");
  write_part("empty.pem", "server.pem", 0, "");
  assert_refused("none.pem", "server.key", NULL, "none.pem: No such file or directory");
  assert_refused("empty.pem", "server.key", NULL, "empty.pem: not a PEM file (no \"-----BEGIN\" line)");
  assert_refused("half.pem", "server.key", NULL, "half.pem: bad end line");
  assert_refused("chain.pem", "server.key", NULL, "chain.pem: bad end line");
  assert_refused("server.pem", "half.key", NULL, "half.key: ");
  assert_refused("client.pem", "server.key", NULL, "server.key: is not the key of the certificate ");
  assert_refused("server.pem", "server.key", "chain.pem", "TLS CA certificates: ");
  assert_refused("server.pem", "server.key", "chain.pem", "chain.pem: bad end line");
}

/* Two contexts, as of two workers, whose connections begin in turn. */
static void a_change_that_cannot_be_used_is_logged_once(void **state) {
  open_with((struct mw_engine_limits){0});
  struct mw_tls_config tls = {.cert_file = in_dir("server.pem"), .key_file = in_dir("server.key")};
  struct mw_http_tls_context *contexts[2];
  write_part("good.pem", "server.pem", SIZE_MAX, "");
  for (int i = 0; i < 2; i++) assert_int_equal(mw_http_tls_context_new(&contexts[i], &tls, NULL), 0);
  for (unsigned change = 1; change <= 2; change++) {
    write_part("server.pem", "good.pem", 300 + change, "");
    for (int i = 0; i < 4; i++) {
      struct mw_http_tls *connection = mw_http_tls_new(contexts[i % 2]);
      assert_non_null(connection); /* with the old certificate */
      mw_http_tls_free(connection);
    }
    assert_int_equal(logged(&server, "the renewed TLS files are not used, the old certificate stays"), change);
    assert_int_equal(logged(&server, "server.pem: bad end line"), change);
  }
  write_part("server.pem", "good.pem", SIZE_MAX, "");
  for (int i = 0; i < 2; i++) {
    struct mw_http_tls *connection = mw_http_tls_new(contexts[i]);
    assert_non_null(connection);
    mw_http_tls_free(connection);
    mw_http_tls_context_free(contexts[i]);
  }
  assert_int_equal(logged(&server, "TLS files"), 2);
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
      TEST(a_silent_one_is_disconnected_in_time),
      TEST(one_that_does_not_finish_its_handshake_is_ended_in_time),
      TEST(plain_text_is_refused_and_logged),
      TEST(handshakes_do_not_hold_up_the_end),
      cmocka_unit_test(files_that_cannot_be_used_are_named_with_the_cause),
      TEST(a_change_that_cannot_be_used_is_logged_once),
  };
  return cmocka_run_group_tests(tests, make_files, remove_files);
}
