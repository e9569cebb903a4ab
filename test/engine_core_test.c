/* Engine core, beyond the cases of all engines (engine_contract_test.c): compression, channels, clients that
 * disconnect, and that no call is left over. */
#include "core_fixture.h"

static struct server server;
static struct mw_channel *channel;

static int setup(void **state) {
  server_open(&server, NULL);
  mw_core_server_start(server.core);
  channel = channel_open(&server, NULL);
  return 0;
}

/* No call may be left. */
static int teardown(void **state) {
  UNTIL(&server, server.core->server.n_calls == PENDING && mw_list_empty(&server.core->client_calls));
  assert_int_equal(server.dispatch.live, 0);
  assert_int_equal(server.router.calls, 0);
  mw_core_channel_ops.close(channel);
  server_close(&server);
  return 0;
}

/* ---- calls ---- */

static void a_handler_sends_32_messages_ahead(void **state) {
  script.down = 1000;
  struct client client;
  client_start(&client, channel, "/t.T/Down");
  client_request(&client, "go");
  UNTIL(&server, client.done);
  assert_int_equal(client.messages, 1000);
  assert_int_equal(script.most_unsent, 32);
  client_release(&client);
}

static void the_call_s_properties(void **state) {
  struct client client;
  client_start(&client, channel, "/t.T/Wait");
  client_request(&client, "hello");
  UNTIL(&server, script.waiting);
  struct mw_call *call = script.waiting;
  assert_int_equal(strncmp(call->peer, "ipv4:127.0.0.1:", 15), 0);
  for (size_t i = 0; i < call->request.len; i++) {
    assert_true(mw_slice_eq_str(call->request.entries[i].key, "user-agent"));
  }
  reply(call, mw_slice_str("done"));
  UNTIL(&server, client.done);
  client_release(&client);
}

static void illegal_metadata_is_left_out(void **state) {
  struct mw_arena arena;
  struct mw_metadata metadata = {0};
  mw_arena_init(&arena, SIZE_MAX);
  mw_metadata_add(&metadata, &arena, mw_slice_str("t-legal"), mw_slice_str("kept"));
  mw_metadata_add(&metadata, &arena, mw_slice_str("T-illegal"), mw_slice_str("left out"));
  struct mw_client_request request = {.path = mw_slice_str("/t.T/Meta"), .deadline = MW_NEVER, .metadata = &metadata};
  struct client client;
  client_start_with(&client, channel, &request);
  mw_arena_fini(&arena);
  client_request(&client, "");
  UNTIL(&server, client.done);
  assert_int_equal(client.got_headers.len, 0);
  assert_int_equal(client.got_trailers.len, 1);
  client_release(&client);
}

/* ---- compression ---- */

static char encoding[16];   /* of the newest message, "" for none */
static unsigned compressed; /* messages */

static void note_encoding(struct client *client) {
  const char *seen = client->call->encoding_seen;
  if (seen) compressed++;
  snprintf(encoding, sizeof encoding, "%s", seen ? seen : "");
}

static void a_small_message_that_expands_over_the_limit_is_refused(void **state) {
  static char large[5 * 1024 * 1024];
  struct mw_client_request request = {.path = mw_slice_str("/t.T/Echo"), .deadline = MW_NEVER, .compression = "gzip"};
  struct client client;
  client_start_with(&client, channel, &request);
  client_send(&client, large, sizeof large);
  client_half_close(&client);
  UNTIL(&server, client.done);
  assert_int_equal(client.code, MW_CODE_RESOURCE_EXHAUSTED);
  assert_string_equal(client.text, "message longer than the limit of 4194304 bytes");
  assert_int_equal(script.messages, 0);
  client_release(&client);
}

static void compressed_requests_are_answered_likewise(void **state) {
  static char text[100000];
  memset(text, 'a', sizeof text);
  static const char *const encodings[] = {"gzip", "deflate"};
  for (size_t i = 0; i < 2; i++) {
    struct mw_client_request request = {
        .path = mw_slice_str("/t.T/Echo"), .deadline = MW_NEVER, .compression = encodings[i]};
    struct client client;
    client_start_with(&client, channel, &request);
    client.note = note_encoding;
    client_send(&client, text, sizeof text);
    client_half_close(&client);
    client_read(&client);
    UNTIL(&server, client.done);
    assert_int_equal(client.code, MW_CODE_OK);
    assert_int_equal(client.last_len, sizeof text);
    assert_string_equal(script.encoding, encodings[i]);
    assert_string_equal(encoding, encodings[i]);
    client_release(&client);
  }
}

static void replies_are_compressed_as_the_handler_says(void **state) {
  static char text[100000];
  static const char *const asked[] = {NULL, "gzip"};
  static const char *const replied[] = {"gzip", "deflate", "identity"};
  for (size_t i = 0; i < 6; i++) {
    struct mw_client_request request = {
        .path = mw_slice_str("/t.T/Echo"), .deadline = MW_NEVER, .compression = asked[i % 2]};
    script.compression = replied[i / 2];
    struct client client;
    client_start_with(&client, channel, &request);
    client.note = note_encoding;
    client_send(&client, text, sizeof text);
    client_half_close(&client);
    client_read(&client);
    UNTIL(&server, client.done);
    assert_int_equal(client.last_len, sizeof text);
    if (i % 2) assert_string_equal(script.encoding, "gzip");
    else assert_null(script.encoding);
    assert_string_equal(encoding, i / 2 == 2 ? "" : script.compression);
    client_release(&client);
  }
}

static void single_messages_may_be_left_uncompressed(void **state) {
  script.compression = "gzip";
  script.plain = true;
  script.down = 9;
  script.down_size = 65536;
  struct client client;
  client_start(&client, channel, "/t.T/Down");
  client.note = note_encoding;
  compressed = 0;
  client_request(&client, "go");
  UNTIL(&server, client.done);
  assert_int_equal(client.messages, 9);
  assert_int_equal(compressed, 5);
  client_release(&client);
}

/* ---- cancellation ---- */

static void a_closed_channel_cancels_its_calls(void **state) {
  struct mw_channel *other = channel_open(&server, NULL);
  struct client client;
  client_start(&client, other, "/t.T/Wait");
  client_request(&client, "hello");
  UNTIL(&server, script.waiting);
  mw_core_channel_ops.close(other);
  UNTIL(&server, client.done && script.cancels == 1);
  assert_int_equal(client.code, MW_CODE_CANCELLED);
  client_release(&client);
}

/* Starts a client that disconnects after some rounds, in any phase of its call; `i` chooses its behaviour. */
static void vanish(unsigned i) {
  static const char *const paths[] = {"/t.T/Echo", "/t.T/Down", "/t.T/Up", "/t.T/Chat", "/t.T/Wait"};
  struct client client;
  client_start(&client, channel, paths[i % 5]);
  if (i % 7 > 0) client_send(&client, "hello", 5);
  if (i % 3 == 0) client_half_close(&client);
  if (i % 2 == 0) client_read(&client);
  for (unsigned turn = 0; turn < i % 11; turn++) mw_core_poll_turn(&server.core->poll, 0);
  client_release(&client);
}

static void a_thousand_vanishing_clients_leave_nothing(void **state) {
  script.down = 100;
  for (unsigned i = 0; i < 1000; i++) vanish(i);
}

/* ---- backpressure ---- */

static void a_server_that_does_not_read_stalls_the_client(void **state) {
  static char block[65536];
  struct client client;
  client_start(&client, channel, "/t.T/Open");
  UNTIL(&server, script.waiting);
  unsigned sent = 0;
  while (client_send(&client, block, sizeof block)) sent++;
  for (int i = 0; i < 20; i++) mw_core_poll_turn(&server.core->poll, 5);
  assert_true(sent < MW_CALL_UNSENT_BYTES / sizeof block);
  mw_call_read(script.waiting);
  UNTIL(&server, client.writables > 0);
  client_half_close(&client);
  client_read(&client);
  UNTIL(&server, client.done);
  assert_int_equal(client.code, MW_CODE_OK);
  client_release(&client);
}

/* ---- the client's end ---- */

static void an_ok_waits_for_the_last_message(void **state) {
  script.down = 5;
  struct client client;
  client_start(&client, channel, "/t.T/Down");
  client.manual = true;
  client_send(&client, "go", 2);
  client_half_close(&client);
  UNTIL(&server, server.core->server.n_calls == PENDING && script.down_sent == 5);
  for (unsigned i = 1; i <= 5; i++) {
    for (int turn = 0; turn < 10; turn++) mw_core_poll_turn(&server.core->poll, 1);
    assert_int_equal(client.done, 0);
    client_read(&client);
    UNTIL(&server, client.messages == i);
  }
  UNTIL(&server, client.done); /* without another read */
  assert_int_equal(client.code, MW_CODE_OK);
  client_release(&client);
}

static void an_unreachable_target_is_unavailable(void **state) {
  char target[32];
  snprintf(target, sizeof target, "127.0.0.1:%u", free_port());
  struct mw_channel *other = channel_open(&server, &(struct mw_channel_config){.target = target});
  struct client client;
  client_start(&client, other, "/t.T/Echo");
  client_request(&client, "hello");
  UNTIL(&server, client.done);
  assert_int_equal(client.code, MW_CODE_UNAVAILABLE);
  client_release(&client);
  struct mw_client_request patient = {.path = mw_slice_str("/t.T/Echo"),
                                      .deadline = mw_clock_mono() + 50 * (int64_t)MW_NS_PER_MS,
                                      .wait_for_ready = true};
  client_start_with(&client, other, &patient);
  client_request(&client, "hello");
  UNTIL(&server, client.done);
  assert_int_equal(client.code, MW_CODE_DEADLINE_EXCEEDED);
  client_release(&client);
  mw_core_channel_ops.close(other);
}

static void invalid_channels_are_reported(void **state) {
  static const struct {
    struct mw_channel_config config;
    const char *error;
  } cases[] = {
      {{.target = ""}, "channel: no target, expected \"host:port\""},
      {{.target = "a:1", .load_balancing = "ring"},
       "channel to \"a:1\": load balancing \"ring\", expected \"pick_first\" or \"round_robin\""},
      {{.target = "a:1", .tls = true, .ca_file = "/nonexistent.pem"},
       "TLS CA certificates: /nonexistent.pem: No such file or directory"},
      {{.target = "a:1", .tls = true, .cert_file = "x.pem"},
       "TLS: a certificate needs its key and a key its certificate, the key is missing"},
      {{.target = "a:1", .service_config = "{nonsense"}, NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct mw_channel *other;
    struct mw_err err = MW_ERR_INIT;
    assert_int_equal(mw_core_channel_ops.open(server.engine, &cases[i].config, &other, &err), MW_EINVAL);
    if (cases[i].error) {
      assert_string_equal(mw_err_text(&err), cases[i].error);
    } else {
      assert_non_null(strstr(mw_err_text(&err), "channel to \"a:1\": "));
    }
    mw_err_fini(&err);
  }
}

static void round_robin_is_taken_and_core_never_retries(void **state) {
  struct mw_channel_config config = {
      .load_balancing = "round_robin",
      .service_config =
          "{\"methodConfig\":[{\"name\":[{}],\"retryPolicy\":{\"maxAttempts\":3,\"initialBackoff\":"
          "\"0.01s\",\"maxBackoff\":\"0.1s\",\"backoffMultiplier\":2,"
          "\"retryableStatusCodes\":[\"NOT_FOUND\"]}}]}"};
  struct mw_channel *other = channel_open(&server, &config);
  struct client client;
  client_start(&client, other, "/t.T/Meta");
  client_request(&client, "hello");
  UNTIL(&server, client.done);
  assert_int_equal(client.code, MW_CODE_NOT_FOUND);
  assert_int_equal(script.starts, 1);
  client_release(&client);
  mw_core_channel_ops.close(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_handler_sends_32_messages_ahead),
      TEST(the_call_s_properties),
      TEST(illegal_metadata_is_left_out),
      TEST(a_small_message_that_expands_over_the_limit_is_refused),
      TEST(compressed_requests_are_answered_likewise),
      TEST(replies_are_compressed_as_the_handler_says),
      TEST(single_messages_may_be_left_uncompressed),
      TEST(a_closed_channel_cancels_its_calls),
      TEST(a_thousand_vanishing_clients_leave_nothing),
      TEST(a_server_that_does_not_read_stalls_the_client),
      TEST(an_ok_waits_for_the_last_message),
      TEST(an_unreachable_target_is_unavailable),
      TEST(invalid_channels_are_reported),
      TEST(round_robin_is_taken_and_core_never_retries),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
