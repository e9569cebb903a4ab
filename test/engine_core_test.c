/* Engine core: calls of all four types, their ends, and that none is left over. */
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

/* ---- the four types ---- */

static void unary(void **state) {
  struct client client;
  client_start(&client, channel, "/t.T/Echo");
  client_request(&client, "hello");
  UNTIL(&server, client.done);
  assert_int_equal(client.code, MW_CODE_OK);
  assert_int_equal(client.messages, 1);
  assert_string_equal(client.last, "hello");
  assert_int_equal(client.headers, 1);
  client_end(&client);
}

static void empty_messages(void **state) {
  struct client client;
  client_start(&client, channel, "/t.T/Echo");
  client_request(&client, "");
  UNTIL(&server, client.done);
  assert_int_equal(client.code, MW_CODE_OK);
  assert_int_equal(client.messages, 1);
  assert_int_equal(client.last_len, 0);
  client_end(&client);
}

static void server_streaming(void **state) {
  script.down = 1000;
  struct client client;
  client_start(&client, channel, "/t.T/Down");
  client_request(&client, "go");
  UNTIL(&server, client.done);
  assert_int_equal(client.code, MW_CODE_OK);
  assert_int_equal(client.messages, 1000);
  uint32_t last;
  memcpy(&last, client.last, sizeof last);
  assert_int_equal(last, 1000);
  assert_int_equal(script.most_unsent, 32);
  client_end(&client);
}

static void client_streaming(void **state) {
  struct client client;
  client_start(&client, channel, "/t.T/Up");
  for (int i = 0; i < 20; i++) client_send(&client, "x", 1);
  client_half_close(&client);
  client_read(&client);
  UNTIL(&server, client.done);
  assert_int_equal(client.code, MW_CODE_OK);
  assert_string_equal(client.last, "20");
  client_end(&client);
}

static void bidirectional(void **state) {
  struct client client;
  client_start(&client, channel, "/t.T/Chat");
  client_read(&client);
  for (unsigned i = 1; i <= 50; i++) {
    client_send(&client, "ping", 4);
    UNTIL(&server, client.messages == i);
  }
  client_half_close(&client);
  UNTIL(&server, client.done);
  assert_int_equal(client.code, MW_CODE_OK);
  client_end(&client);
}

/* ---- statuses and metadata ---- */

static void metadata_both_ways(void **state) {
  struct mw_arena arena;
  mw_arena_init(&arena, SIZE_MAX);
  struct mw_metadata metadata = {0};
  struct mw_slice raw = mw_slice("\x00\x01\xfe\xff,=", 6);
  mw_metadata_add(&metadata, &arena, mw_slice_str("h-name"), mw_slice_str("one"));
  mw_metadata_add(&metadata, &arena, mw_slice_str("h-name"), mw_slice_str("two"));
  mw_metadata_add(&metadata, &arena, mw_slice_str("h-raw-bin"), raw);
  mw_metadata_add(&metadata, &arena, mw_slice_str("t-name"), mw_slice_str("three"));
  mw_metadata_add(&metadata, &arena, mw_slice_str("t-raw-bin"), raw);
  mw_metadata_add(&metadata, &arena, mw_slice_str("t-empty-bin"), mw_slice(NULL, 0));
  mw_metadata_add(&metadata, &arena, mw_slice_str("T-illegal"), mw_slice_str("left out"));
  struct mw_client_request request = {.path = mw_slice_str("/t.T/Meta"), .deadline = MW_NEVER, .metadata = &metadata};
  struct client client;
  client_start_with(&client, channel, &request);
  client_request(&client, "");
  UNTIL(&server, client.done);
  assert_int_equal(client.code, MW_CODE_NOT_FOUND);
  assert_string_equal(client.text, "gr\xc3\xbc\xc3\x9f dich, 100%\n");
  assert_true(mw_slice_eq(client.details, mw_slice("\x08\x05\x00\xff", 4)));
  assert_int_equal(client.got_headers.len, 3);
  assert_true(mw_slice_eq_str(client.got_headers.entries[0].value, "one"));
  assert_true(mw_slice_eq_str(client.got_headers.entries[1].value, "two"));
  assert_true(mw_slice_eq(*mw_metadata_get(&client.got_headers, "h-raw-bin"), raw));
  assert_int_equal(client.got_trailers.len, 3);
  assert_true(mw_slice_eq_str(*mw_metadata_get(&client.got_trailers, "t-name"), "three"));
  assert_true(mw_slice_eq(*mw_metadata_get(&client.got_trailers, "t-raw-bin"), raw));
  assert_int_equal(mw_metadata_get(&client.got_trailers, "t-empty-bin")->len, 0);
  client_end(&client);
  mw_arena_fini(&arena);
}

static void unknown_methods_and_services(void **state) {
  static const struct {
    const char *path, *text;
  } cases[] = {{"/t.T/Eco", "unknown method /t.T/Eco"}, {"/t.U/Echo", "unknown service t.U"}};
  for (size_t i = 0; i < 2; i++) {
    struct client client;
    client_start(&client, channel, cases[i].path);
    client_request(&client, "hello");
    UNTIL(&server, client.done);
    assert_int_equal(client.code, MW_CODE_UNIMPLEMENTED);
    assert_string_equal(client.text, cases[i].text);
    client_end(&client);
  }
}

static void what_the_call_knows(void **state) {
  struct mw_client_request request = {.path = mw_slice_str("/t.T/Wait"),
                                      .deadline = mw_clock_mono() + 60 * (int64_t)MW_NS_PER_S};
  struct client client;
  client_start_with(&client, channel, &request);
  client_request(&client, "hello");
  UNTIL(&server, script.waiting);
  struct mw_call *call = script.waiting;
  assert_true(mw_slice_eq_str(call->path, "/t.T/Wait"));
  assert_int_equal(strncmp(call->peer, "ipv4:127.0.0.1:", 15), 0);
  int64_t left = call->deadline - mw_clock_mono();
  assert_true(left > 55 * (int64_t)MW_NS_PER_S && left < 65 * (int64_t)MW_NS_PER_S);
  for (size_t i = 0; i < call->request.len; i++) {
    assert_true(mw_slice_eq_str(call->request.entries[i].key, "user-agent"));
  }
  reply(call, mw_slice_str("done"));
  UNTIL(&server, client.done);
  client_end(&client);
}

static void headers_go_out_before_the_first_message(void **state) {
  script.headers_first = true;
  struct client client;
  client_start(&client, channel, "/t.T/Wait");
  client_request(&client, "hello");
  UNTIL(&server, client.headers == 1);
  assert_int_equal(client.messages, 0);
  reply(script.waiting, mw_slice_str("done"));
  UNTIL(&server, client.done);
  assert_string_equal(client.last, "done");
  client_end(&client);
}

/* ---- the number of messages ---- */

static void a_unary_call_without_a_message_is_unimplemented(void **state) {
  struct client client;
  client_start(&client, channel, "/t.T/Echo");
  client_half_close(&client);
  UNTIL(&server, client.done);
  assert_int_equal(client.code, MW_CODE_UNIMPLEMENTED);
  assert_string_equal(client.text, "no request message, the method takes one");
  assert_int_equal(script.messages, 0);
  client_end(&client);
}

static void a_unary_call_with_two_messages_is_unimplemented(void **state) {
  struct client client;
  client_start(&client, channel, "/t.T/Down");
  client_send(&client, "one", 3);
  client_send(&client, "two", 3);
  client_half_close(&client);
  UNTIL(&server, client.done);
  assert_int_equal(client.code, MW_CODE_UNIMPLEMENTED);
  assert_string_equal(client.text, "more than one request message, the method takes one");
  assert_int_equal(script.down_sent, 0);
  client_end(&client);
}

static void a_read_behind_the_only_message_ends(void **state) {
  struct client client;
  client_start(&client, channel, "/t.T/Wait");
  client_request(&client, "hello");
  UNTIL(&server, script.waiting);
  mw_call_read(script.waiting);
  assert_int_equal(script.ends, 0);
  UNTIL(&server, script.ends == 1);
  reply(script.waiting, mw_slice_str("done"));
  UNTIL(&server, client.done);
  client_end(&client);
}

/* ---- limits and compression ---- */

static void a_message_over_the_limit_is_refused(void **state) {
  static char large[5 * 1024 * 1024];
  struct client client;
  client_start(&client, channel, "/t.T/Echo");
  client_send(&client, large, sizeof large);
  client_half_close(&client);
  UNTIL(&server, client.done);
  assert_int_equal(client.code, MW_CODE_RESOURCE_EXHAUSTED);
  assert_int_equal(script.messages, 0);
  client_end(&client);
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
  client_end(&client);
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
    client_send(&client, text, sizeof text);
    client_half_close(&client);
    client_read(&client);
    UNTIL(&server, client.done);
    assert_int_equal(client.code, MW_CODE_OK);
    assert_int_equal(client.last_len, sizeof text);
    assert_string_equal(script.encoding, encodings[i]);
    assert_string_equal(client.encoding, encodings[i]);
    client_end(&client);
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
    client_send(&client, text, sizeof text);
    client_half_close(&client);
    client_read(&client);
    UNTIL(&server, client.done);
    assert_int_equal(client.last_len, sizeof text);
    if (i % 2) assert_string_equal(script.encoding, "gzip");
    else assert_null(script.encoding);
    assert_string_equal(client.encoding, i / 2 == 2 ? "" : script.compression);
    client_end(&client);
  }
}

static void single_messages_may_be_left_uncompressed(void **state) {
  script.compression = "gzip";
  script.plain = true;
  script.down = 9;
  script.down_size = 65536;
  struct client client;
  client_start(&client, channel, "/t.T/Down");
  client_request(&client, "go");
  UNTIL(&server, client.done);
  assert_int_equal(client.messages, 9);
  assert_int_equal(client.compressed, 5);
  client_end(&client);
}

static void a_large_message_arrives_whole(void **state) {
  static char large[4 * 1024 * 1024];
  for (size_t i = 0; i < sizeof large; i++) large[i] = (char)('a' + i % 26);
  struct client client;
  client_start(&client, channel, "/t.T/Echo");
  client_send(&client, large, sizeof large);
  client_half_close(&client);
  client_read(&client);
  UNTIL(&server, client.done);
  assert_int_equal(client.code, MW_CODE_OK);
  assert_int_equal(client.last_len, sizeof large);
  assert_memory_equal(client.last, large, sizeof client.last - 1);
  client_end(&client);
}

/* ---- deadlines and cancellation ---- */

static void a_deadline_ends_both_sides(void **state) {
  struct mw_client_request request = {.path = mw_slice_str("/t.T/Wait"),
                                      .deadline = mw_clock_mono() + 30 * (int64_t)MW_NS_PER_MS};
  struct client client;
  client_start_with(&client, channel, &request);
  client_request(&client, "hello");
  UNTIL(&server, client.done && script.cancels == 1);
  assert_int_equal(client.code, MW_CODE_DEADLINE_EXCEEDED);
  assert_int_equal(script.cancel_code, MW_CODE_DEADLINE_EXCEEDED);
  assert_string_equal(script.cancel_text, "the deadline has passed");
  client_end(&client);
}

static void a_deadline_in_the_past_ends_at_once(void **state) {
  struct mw_client_request request = {.path = mw_slice_str("/t.T/Wait"), .deadline = mw_clock_mono() - 1};
  struct client client;
  client_start_with(&client, channel, &request);
  client_request(&client, "hello");
  UNTIL(&server, client.done);
  assert_int_equal(client.code, MW_CODE_DEADLINE_EXCEEDED);
  client_end(&client);
}

static void a_cancelled_call_tells_its_handler(void **state) {
  static const char *const paths[] = {"/t.T/Wait", "/t.T/Up", "/t.T/Chat", "/t.T/Open"};
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    script.cancels = script.starts = script.messages = 0;
    struct client client;
    client_start(&client, channel, paths[i]);
    client_send(&client, "hello", 5);
    if (i == 0) client_half_close(&client);
    UNTIL(&server, script.messages == 1 || (i == 3 && script.starts == 1));
    client_cancel(&client);
    UNTIL(&server, client.done && script.cancels == 1);
    assert_int_equal(client.code, MW_CODE_CANCELLED);
    assert_int_equal(script.cancel_code, MW_CODE_CANCELLED);
    client_end(&client);
  }
}

static void a_handler_may_finish_long_after_the_cancel(void **state) {
  script.stay = true;
  struct client client;
  client_start(&client, channel, "/t.T/Wait");
  client_request(&client, "hello");
  UNTIL(&server, script.waiting);
  client_cancel(&client);
  UNTIL(&server, client.done && script.cancels == 1);
  struct mw_call *call = script.waiting;
  assert_non_null(mw_call_reserve(call, 4));
  assert_false(mw_call_send(call));
  reply(call, mw_slice_str("late"));
  client_end(&client);
}

static void cancelling_from_above_reaches_the_client(void **state) {
  struct client client;
  client_start(&client, channel, "/t.T/Wait");
  client_request(&client, "hello");
  UNTIL(&server, script.waiting);
  mw_dispatch_cancel_all(&server.dispatch, mw_status(MW_CODE_UNAVAILABLE, "the server is shutting down"));
  UNTIL(&server, client.done);
  assert_int_equal(client.code, MW_CODE_UNAVAILABLE);
  assert_string_equal(client.text, "the server is shutting down");
  client_end(&client);
}

static void a_closed_channel_cancels_its_calls(void **state) {
  struct mw_channel *other = channel_open(&server, NULL);
  struct client client;
  client_start(&client, other, "/t.T/Wait");
  client_request(&client, "hello");
  UNTIL(&server, script.waiting);
  mw_core_channel_ops.close(other);
  UNTIL(&server, client.done && script.cancels == 1);
  assert_int_equal(client.code, MW_CODE_CANCELLED);
  client_end(&client);
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
  client_end(&client);
}

static void a_thousand_vanishing_clients_leave_nothing(void **state) {
  script.down = 100;
  for (unsigned i = 0; i < 1000; i++) vanish(i);
}

/* ---- backpressure ---- */

static void a_client_that_does_not_read_stalls_the_handler(void **state) {
  script.down = 1000000;
  script.down_size = 65536;
  struct client client;
  client_start(&client, channel, "/t.T/Down");
  client.manual = true;
  client_request(&client, "go");
  UNTIL(&server, client.messages == 1);
  uint32_t before;
  do {
    before = script.down_sent;
    for (int i = 0; i < 20; i++) mw_core_poll_turn(&server.core->poll, 5);
  } while (script.down_sent != before);
  assert_int_equal(script.most_unsent, MW_CALL_UNSENT_BYTES / script.down_size);
  assert_true(script.down_sent < 300);
  client_cancel(&client);
  UNTIL(&server, client.done);
  client_end(&client);
}

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
  client_end(&client);
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
  client_end(&client);
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
  client_end(&client);
  struct mw_client_request patient = {.path = mw_slice_str("/t.T/Echo"),
                                      .deadline = mw_clock_mono() + 50 * (int64_t)MW_NS_PER_MS,
                                      .wait_for_ready = true};
  client_start_with(&client, other, &patient);
  client_request(&client, "hello");
  UNTIL(&server, client.done);
  assert_int_equal(client.code, MW_CODE_DEADLINE_EXCEEDED);
  client_end(&client);
  mw_core_channel_ops.close(other);
}

static void what_a_channel_cannot_be_is_said(void **state) {
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
  client_end(&client);
  mw_core_channel_ops.close(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(unary),
      TEST(empty_messages),
      TEST(server_streaming),
      TEST(client_streaming),
      TEST(bidirectional),
      TEST(metadata_both_ways),
      TEST(unknown_methods_and_services),
      TEST(what_the_call_knows),
      TEST(headers_go_out_before_the_first_message),
      TEST(a_unary_call_without_a_message_is_unimplemented),
      TEST(a_unary_call_with_two_messages_is_unimplemented),
      TEST(a_read_behind_the_only_message_ends),
      TEST(a_message_over_the_limit_is_refused),
      TEST(a_small_message_that_expands_over_the_limit_is_refused),
      TEST(compressed_requests_are_answered_likewise),
      TEST(replies_are_compressed_as_the_handler_says),
      TEST(single_messages_may_be_left_uncompressed),
      TEST(a_large_message_arrives_whole),
      TEST(a_deadline_ends_both_sides),
      TEST(a_deadline_in_the_past_ends_at_once),
      TEST(a_cancelled_call_tells_its_handler),
      TEST(a_handler_may_finish_long_after_the_cancel),
      TEST(cancelling_from_above_reaches_the_client),
      TEST(a_closed_channel_cancels_its_calls),
      TEST(a_thousand_vanishing_clients_leave_nothing),
      TEST(a_client_that_does_not_read_stalls_the_handler),
      TEST(a_server_that_does_not_read_stalls_the_client),
      TEST(an_ok_waits_for_the_last_message),
      TEST(an_unreachable_target_is_unavailable),
      TEST(what_a_channel_cannot_be_is_said),
      TEST(round_robin_is_taken_and_core_never_retries),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
