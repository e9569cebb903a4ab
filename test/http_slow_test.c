/* Clients that are slow or stall: each wait has a timeout, and ends its call or connection. */
#include "http_fixture.h"

static struct server server;
static struct client client;

/* Opens the server with limits too long to matter, except those that a test sets. */
static void open_with(struct mw_engine_limits limits) {
  if (limits.handshake_seconds == 0) limits.handshake_seconds = 600;
  if (limits.message_seconds == 0) limits.message_seconds = 600;
  if (limits.send_seconds == 0) limits.send_seconds = 600;
  const struct mw_engine_config config = {.limits = limits};
  server_open(&server, &config);
}

static int teardown(void **state) {
  client_close(&client);
  server_close(&server);
  return 0;
}

static void assert_ended(int code, const char *line) {
  UNTIL(&server, client.eof);
  assert_int_equal(client.goaway, code);
  assert_int_equal(logged(&server, line), 1);
  UNTIL(&server, server.dispatch.live == 0);
}

static void assert_stands(void) {
  client_ping(&client);
  assert_int_equal(client.goaway, -1);
}

/* Turns the server for `ms`, which is long enough for some checks of its watch. */
static void wait_ms(unsigned ms) {
  int64_t until = mw_clock_mono() + ms * (int64_t)MW_NS_PER_MS;
  while (mw_clock_mono() < until) turn(&server);
}

/* ---- the beginning ---- */

static void a_silent_client_is_disconnected(void **state) {
  open_with((struct mw_engine_limits){.handshake_seconds = 0.05});
  client_connect(&client, &server, false);
  client.silent = true;
  assert_ended(NGHTTP2_SETTINGS_TIMEOUT, "reason=handshake");
}

static void half_a_preface_is_not_enough(void **state) {
  open_with((struct mw_engine_limits){.handshake_seconds = 0.05});
  client_connect(&client, &server, false);
  client.silent = true;
  client_write(&client, NGHTTP2_CLIENT_MAGIC, 10);
  assert_ended(NGHTTP2_SETTINGS_TIMEOUT, "the client did not start HTTP/2 in time");
}

static void a_client_that_has_begun_may_be_idle(void **state) {
  open_with((struct mw_engine_limits){.handshake_seconds = 0.02, .message_seconds = 0.02, .send_seconds = 0.02});
  client_open(&client, &server);
  client_echo(&client, 1);
  client_headers(&client, 3, "/t.T/Open", 0); /* the handler does not read: nothing is awaited */
  UNTIL(&server, got_of(&client, 1)->ended);
  wait_ms(100);
  assert_stands();
}

/* ---- headers ---- */

static void a_header_block_has_to_end_in_time(void **state) {
  open_with((struct mw_engine_limits){.handshake_seconds = 0.05});
  client_open(&client, &server);
  client_frame(&client, NGHTTP2_HEADERS, 0, 1, "\x83", 1);
  client_frame(&client, NGHTTP2_CONTINUATION, 0, 1, "\x86", 1);
  assert_ended(NGHTTP2_ENHANCE_YOUR_CALM, "reason=slow_headers");
}

static void so_has_a_frame_of_headers(void **state) {
  open_with((struct mw_engine_limits){.handshake_seconds = 0.05});
  client_open(&client, &server);
  client_write(&client, "\0\0\x10\1\5\0\0\0\1\x83", 10); /* 1 byte of 16 */
  assert_ended(NGHTTP2_ENHANCE_YOUR_CALM, "the headers of a request did not come in time");
}

static void and_any_other_frame(void **state) {
  open_with((struct mw_engine_limits){.message_seconds = 0.03});
  client_open(&client, &server);
  client_write(&client, "\0\0\x08\6\0\0\0", 7);
  assert_ended(NGHTTP2_ENHANCE_YOUR_CALM, "reason=slow_frame");
}

/* ---- messages ---- */

static void assert_call_ended_late(int32_t stream) {
  UNTIL(&server, got_of(&client, stream)->ended);
  assert_int_equal(got_of(&client, stream)->status, MW_CODE_DEADLINE_EXCEEDED);
  assert_string_equal(got_of(&client, stream)->text, "a message did not come in time");
  assert_int_equal(logged(&server, "call ended: a message did not come in time"), 1);
  assert_int_equal(script.cancel_code, MW_CODE_DEADLINE_EXCEEDED);
  assert_stands();
}

static void a_request_that_stops_within_its_message_ends(void **state) {
  open_with((struct mw_engine_limits){.message_seconds = 0.05});
  client_open(&client, &server);
  client_headers(&client, 1, "/t.T/Echo", 0);
  client_frame(&client, NGHTTP2_DATA, 0, 1, "\0\0\0\1\0abc", 8);
  assert_call_ended_late(1);
}

static void a_unary_request_without_its_message_ends(void **state) {
  open_with((struct mw_engine_limits){.message_seconds = 0.05});
  client_open(&client, &server);
  client_headers(&client, 1, "/t.T/Echo", 0);
  assert_call_ended_late(1);
}

static void a_unary_request_that_is_not_closed_ends(void **state) {
  open_with((struct mw_engine_limits){.message_seconds = 0.05});
  client_open(&client, &server);
  client_headers(&client, 1, "/t.T/Echo", 0);
  client_message(&client, 1, 5, 0);
  assert_call_ended_late(1);
}

static void a_stream_may_be_idle_between_messages_and_not_within_one(void **state) {
  open_with((struct mw_engine_limits){.message_seconds = 0.02});
  client_open(&client, &server);
  client_headers(&client, 1, "/t.T/Up", 0);
  client_message(&client, 1, 100, 0);
  wait_ms(100);
  client_message(&client, 1, 100, 0);
  UNTIL(&server, script.messages == 2);
  assert_int_equal(got_of(&client, 1)->status, -1);
  client_frame(&client, NGHTTP2_DATA, 0, 1, "\0\0\0\1\0abc", 8);
  assert_call_ended_late(1);
}

/* The least pace, 500 bytes a second, is 25 bytes within the limit of 0.05 seconds. */
static void a_message_that_comes_at_a_slow_pace_is_waited_for(void **state) {
  open_with((struct mw_engine_limits){.message_seconds = 0.05});
  client_open(&client, &server);
  client_headers(&client, 1, "/t.T/Echo", 0);
  client_frame(&client, NGHTTP2_DATA, 0, 1, "\0\0\0\x10\0", 5);
  for (int i = 0; i < 4096 / 64; i++) {
    static const char piece[64];
    client_frame(&client, NGHTTP2_DATA, i == 63 ? END_STREAM : 0, 1, piece, sizeof piece);
    wait_ms(4);
  }
  UNTIL(&server, got_of(&client, 1)->ended);
  assert_int_equal(got_of(&client, 1)->status, MW_CODE_OK);
}

/* ---- responses ---- */

static void an_answer_that_is_not_taken_ends(void **state) {
  open_with((struct mw_engine_limits){.send_seconds = 0.05});
  client_open(&client, &server);
  client_setting(&client, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 100);
  client_headers(&client, 1, "/t.T/Echo", 0);
  client_message(&client, 1, 1000, END_STREAM);
  UNTIL(&server, got_of(&client, 1)->reset >= 0);
  assert_int_equal(got_of(&client, 1)->reset, NGHTTP2_CANCEL);
  assert_int_equal(got_of(&client, 1)->data, 100);
  assert_int_equal(logged(&server, "call ended: the client does not read the rest of the response"), 1);
  assert_stands();
}

static void a_handler_that_goes_on_may_wait_for_its_client(void **state) {
  open_with((struct mw_engine_limits){.send_seconds = 0.02, .message_seconds = 0.02});
  client_open(&client, &server);
  client_setting(&client, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 100);
  script.down = 100;
  script.down_size = 1000;
  client_headers(&client, 1, "/t.T/Down", 0);
  client_message(&client, 1, 0, END_STREAM);
  UNTIL(&server, got_of(&client, 1)->data == 100);
  wait_ms(100);
  assert_int_equal(got_of(&client, 1)->reset, -1);
  client_setting(&client, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20);
  client_number(&client, NGHTTP2_WINDOW_UPDATE, 0, 1 << 20);
  UNTIL(&server, got_of(&client, 1)->ended);
  assert_int_equal(got_of(&client, 1)->status, MW_CODE_OK);
}

/* A handler waits for room that the client never makes: it is cancelled once, and the client's call ends soon after. */
static void a_call_that_waits_for_room_in_vain_ends(void **state) {
  open_with((struct mw_engine_limits){.send_seconds = 0.05, .buffer_bytes = 65536});
  client_open(&client, &server);
  client_setting(&client, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 100);
  script.asks = true;
  script.down = 100;
  script.down_size = 60000;
  client_headers(&client, 1, "/t.T/Down", 0);
  client_message(&client, 1, 0, END_STREAM);
  UNTIL(&server, got_of(&client, 1)->ended || got_of(&client, 1)->reset >= 0);
  assert_int_equal(script.cancels, 1);
  assert_int_equal(script.cancel_code, MW_CODE_RESOURCE_EXHAUSTED);
  assert_in_range(logged(&server, "msg=\"call ended"), 1, 2);
  UNTIL(&server, server.dispatch.live == 0);
  assert_stands();
}

static void a_client_whose_socket_takes_nothing_is_closed(void **state) {
  open_with((struct mw_engine_limits){.send_seconds = 0.05});
  client_connect(&client, &server, true);
  client_preface(&client);
  client_setting(&client, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, INT32_MAX);
  client_number(&client, NGHTTP2_WINDOW_UPDATE, 0, 1 << 30);
  script.down = 1000;
  script.down_size = 65536;
  client_headers(&client, 1, "/t.T/Down", 0);
  client_message(&client, 1, 0, END_STREAM);
  UNTIL(&server, script.cancels == 1);
  assert_int_equal(logged(&server, "reason=stuck"), 1);
  assert_int_equal(logged(&server, "the client reads nothing"), 1);
  assert_true(mw_list_empty(&mw_http_engine_of(server.engine)->conns) || server.dispatch.live == 0);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_silent_client_is_disconnected),
      TEST(half_a_preface_is_not_enough),
      TEST(a_client_that_has_begun_may_be_idle),
      TEST(a_header_block_has_to_end_in_time),
      TEST(so_has_a_frame_of_headers),
      TEST(and_any_other_frame),
      TEST(a_request_that_stops_within_its_message_ends),
      TEST(a_unary_request_without_its_message_ends),
      TEST(a_unary_request_that_is_not_closed_ends),
      TEST(a_stream_may_be_idle_between_messages_and_not_within_one),
      TEST(a_message_that_comes_at_a_slow_pace_is_waited_for),
      TEST(an_answer_that_is_not_taken_ends),
      TEST(a_handler_that_goes_on_may_wait_for_its_client),
      TEST(a_call_that_waits_for_room_in_vain_ends),
      TEST(a_client_whose_socket_takes_nothing_is_closed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
