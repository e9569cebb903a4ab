/* gRPC over HTTP/2, frame by frame: messages cut into frames, flow-control credit, and memory limits. */
#include "http_fixture.h"

#include "engine/http/conn/call.h"
#include "engine/http/conn/conn_io.h"

enum { WINDOW = MW_HTTP_STREAM_WINDOW };

static struct server server;
static struct client client;

static void open_with(struct mw_engine_config config) {
  server_open(&server, &config);
  client_open(&client, &server);
}

static int setup(void **state) {
  open_with((struct mw_engine_config){0});
  return 0;
}

static int teardown(void **state) {
  client_close(&client);
  server_close(&server);
  return 0;
}

static void assert_status(int32_t stream, int code) {
  UNTIL(&server, got_of(&client, stream)->ended);
  assert_int_equal(got_of(&client, stream)->status, code);
}

static struct mw_http_conn *only_conn(void) {
  return MW_CONTAINER(mw_http_engine_of(server.engine)->conns.next, struct mw_http_conn, link);
}

/* Waits until the server has processed all that was sent. */
static void settle(void) { client_ping(&client); }

/* Sends `len` bytes of DATA, all in the middle of a message. */
static void more(int32_t stream, size_t len, uint8_t flags) {
  static const uint8_t filler[16384];
  for (; len > sizeof filler; len -= sizeof filler) {
    client_frame(&client, NGHTTP2_DATA, 0, stream, filler, sizeof filler);
  }
  client_frame(&client, NGHTTP2_DATA, flags, stream, filler, len);
}

static void begin_message(int32_t stream, size_t size) {
  uint8_t prefix[MW_HTTP_PREFIX];
  mw_http_write_prefix(prefix, size, false);
  client_frame(&client, NGHTTP2_DATA, 0, stream, prefix, sizeof prefix);
}

/* ---- frames ---- */

static void frames_may_be_padded(void **state) {
  uint8_t block[1024], padded[1100] = {20};
  size_t len = client_block(&client, "/t.T/Echo", 0, block, sizeof block);
  memcpy(padded + 1, block, len);
  client_frame(&client, NGHTTP2_HEADERS, PADDED | END_HEADERS, 1, padded, 1 + len + 20);
  client_frame(&client, NGHTTP2_DATA, PADDED, 1, "\3\0\0\0\0\0\0", 7); /* 3 bytes of the message's prefix */
  client_frame(&client, NGHTTP2_DATA, PADDED | END_STREAM, 1, "\1\0\2ab\0", 6);
  assert_status(1, MW_CODE_OK);
  assert_memory_equal(got_of(&client, 1)->start, "\0\0\0\0\2ab", 7);
}

static void headers_may_come_in_continuations(void **state) {
  uint8_t block[1024];
  size_t len = client_block(&client, "/t.T/Echo", 300, block, sizeof block);
  client_frame(&client, NGHTTP2_HEADERS, 0, 1, block, 1);
  client_frame(&client, NGHTTP2_CONTINUATION, 0, 1, NULL, 0);
  client_frame(&client, NGHTTP2_CONTINUATION, 0, 1, block + 1, len - 2);
  client_frame(&client, NGHTTP2_CONTINUATION, END_HEADERS, 1, block + len - 1, 1);
  client_message(&client, 1, 5, END_STREAM);
  assert_status(1, MW_CODE_OK);
}

static void nothing_comes_between_continuations(void **state) {
  uint8_t block[1024];
  size_t len = client_block(&client, "/t.T/Echo", 0, block, sizeof block);
  client_frame(&client, NGHTTP2_HEADERS, 0, 1, block, len);
  client_frame(&client, NGHTTP2_PING, 0, 0, "01234567", 8);
  UNTIL(&server, client.eof);
  assert_int_equal(client.goaway, NGHTTP2_PROTOCOL_ERROR);
}

static void data_of_several_streams_may_be_mixed(void **state) {
  for (int32_t stream = 1; stream <= 5; stream += 2) client_headers(&client, stream, "/t.T/Echo", 0);
  for (int32_t stream = 1; stream <= 5; stream += 2) client_frame(&client, NGHTTP2_DATA, 0, stream, "\0\0\0", 3);
  for (int32_t stream = 5; stream >= 1; stream -= 2) client_frame(&client, NGHTTP2_DATA, 0, stream, "\0\2", 2);
  for (int32_t stream = 1; stream <= 5; stream += 2) {
    uint8_t text[2] = {'a', (uint8_t)('0' + stream)};
    client_frame(&client, NGHTTP2_DATA, END_STREAM, stream, text, 2);
  }
  for (int32_t stream = 1; stream <= 5; stream += 2) {
    assert_status(stream, MW_CODE_OK);
    assert_int_equal(got_of(&client, stream)->start[6], '0' + stream);
  }
}

static void a_client_may_end_by_an_empty_frame_or_by_trailers(void **state) {
  for (int32_t stream = 1; stream <= 3; stream += 2) {
    client_headers(&client, stream, "/t.T/Up", 0);
    client_message(&client, stream, 10, 0);
  }
  client_frame(&client, NGHTTP2_DATA, END_STREAM, 1, NULL, 0);
  client_frame(&client, NGHTTP2_HEADERS, END_STREAM | END_HEADERS, 3, "\0\3x-t\1y", 7);
  assert_status(1, MW_CODE_OK);
  assert_status(3, MW_CODE_OK);
  assert_memory_equal(got_of(&client, 3)->start,
                      "\0\0\0\0\1"
                      "1",
                      6);
}

static void answers_go_on_after_the_half_close(void **state) {
  script.down = 3;
  client_headers(&client, 1, "/t.T/Down", 0);
  client_message(&client, 1, 0, END_STREAM);
  assert_status(1, MW_CODE_OK);
  assert_int_equal(got_of(&client, 1)->data, 3 * 9);
}

/* The client has not half-closed. */
static void an_early_answer_takes_back_the_stream_without_an_error(void **state) {
  client_headers(&client, 1, "/no.Such/Method", 0);
  assert_status(1, MW_CODE_UNIMPLEMENTED);
  UNTIL(&server, got_of(&client, 1)->reset >= 0);
  assert_int_equal(got_of(&client, 1)->reset, NGHTTP2_NO_ERROR);
  client_message(&client, 1, 1000, END_STREAM); /* sent before the client read the response */
  client_echo(&client, 3);
  assert_status(3, MW_CODE_OK);
  assert_int_equal(client.goaway, -1);
}

static void a_reset_cancels_the_call(void **state) {
  client_headers(&client, 1, "/t.T/Up", 0);
  settle();
  client_reset(&client, 1);
  UNTIL(&server, script.cancels == 1);
  assert_int_equal(script.cancel_code, MW_CODE_CANCELLED);
}

/* ---- deadlines ---- */

/* Sends a request's HEADERS with a grpc-timeout. */
static void headers_with_timeout(int32_t stream, const char *path, const char *timeout) {
  static const char name[] = "grpc-timeout";
  uint8_t block[512];
  size_t len = client_block(&client, path, 0, block, sizeof block);
  int more = snprintf((char *)block + len, sizeof block - len, "%c%c%s%c%s", 0x10, (int)strlen(name), name,
                      (int)strlen(timeout), timeout); /* RFC 7541, 6.2.3: a literal that is never indexed */
  client_frame(&client, NGHTTP2_HEADERS, END_HEADERS, stream, block, len + (size_t)more);
}

static void a_call_that_ends_at_once_starts_no_timer(void **state) {
  static const char *const paths[] = {"/t.T/Echo", "/t.T/Down", "/t.T/Meta"};
  assert_true(mw_list_empty(&server.loop.free_timers));
  for (int i = 0; i < 3; i++) {
    headers_with_timeout(2 * i + 1, paths[i], "10S");
    client_message(&client, 2 * i + 1, 0, END_STREAM);
    assert_status(2 * i + 1, i == 2 ? MW_CODE_NOT_FOUND : MW_CODE_OK);
    settle();
    assert_true(mw_list_empty(&server.loop.free_timers)); /* none was started and stopped */
  }
}

static void a_call_that_goes_on_has_a_timer(void **state) {
  headers_with_timeout(1, "/t.T/Wait", "50m");
  client_message(&client, 1, 0, END_STREAM);
  assert_status(1, MW_CODE_DEADLINE_EXCEEDED);
  assert_int_equal(script.cancels, 1);
}

static void a_response_that_is_not_read_by_the_deadline_is_reset(void **state) {
  client_setting(&client, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 3);
  settle();
  headers_with_timeout(1, "/t.T/Echo", "50m");
  client_message(&client, 1, 10, END_STREAM);
  UNTIL(&server, got_of(&client, 1)->reset >= 0);
  assert_int_equal(got_of(&client, 1)->reset, NGHTTP2_CANCEL);
  assert_int_equal(got_of(&client, 1)->data, 3);
}

/* ---- headers and trailers that are too long ---- */

/* Makes a call of Wait and waits for its messages. */
static struct mw_call *wait_for_call(int32_t stream) {
  client_headers(&client, stream, "/t.T/Wait", 0);
  client_message(&client, stream, 0, END_STREAM);
  UNTIL(&server, script.waiting);
  return script.waiting;
}

static void add_long(struct mw_call *call, struct mw_metadata *metadata) {
  static uint8_t filler[1 << 16];
  memset(filler, '~', sizeof filler);
  mw_metadata_add(metadata, &call->arena, mw_slice_str("x-long"), mw_slice(filler, sizeof filler));
}

static void assert_ends_for_being_long(int32_t stream) {
  UNTIL(&server, got_of(&client, stream)->reset >= 0);
  assert_int_equal(got_of(&client, stream)->reset, NGHTTP2_INTERNAL_ERROR);
  assert_int_equal(got_of(&client, stream)->status, -1);
  assert_int_equal(logged(&server,
                          "msg=\"call ended: its headers or its trailers and status are longer than 64 KiB\" "
                          "path=/t.T/Wait"),
                   1);
  script.waiting = NULL;
  client_echo(&client, stream + 2);
  assert_status(stream + 2, MW_CODE_OK);
}

static void headers_that_are_too_long_end_the_call(void **state) {
  struct mw_call *call = wait_for_call(1);
  add_long(call, &call->headers);
  reply(call, mw_slice_str("x"));
  assert_ends_for_being_long(1);
}

static void headers_without_a_message_that_are_too_long_end_the_call(void **state) {
  struct mw_call *call = wait_for_call(1);
  add_long(call, &call->headers);
  mw_call_finish(call, &status_ok);
  assert_ends_for_being_long(1);
}

static void trailers_that_are_too_long_end_the_call(void **state) {
  struct mw_call *call = wait_for_call(1);
  add_long(call, &call->trailers);
  reply(call, mw_slice_str("x"));
  assert_ends_for_being_long(1);
}

static void details_that_are_too_long_end_the_call(void **state) {
  static const uint8_t details[50000];
  struct mw_call *call = wait_for_call(1);
  struct mw_status status = mw_status(MW_CODE_ABORTED, "");
  status.details = mw_slice(details, sizeof details);
  mw_call_finish(call, &status);
  assert_ends_for_being_long(1);
}

/* ---- going away ---- */

static void a_drained_connection_goes_away_in_two_steps(void **state) {
  client_headers(&client, 1, "/t.T/Up", 0);
  settle();
  client.silent = true;
  server.engine->ops->drain(server.engine);
  UNTIL(&server, client.frames[NGHTTP2_PING] == 1);
  assert_int_equal(client.frames[NGHTTP2_GOAWAY], 1);
  assert_int_equal(client.goaway, NGHTTP2_NO_ERROR);
  assert_int_equal(client.last, INT32_MAX);
  client_headers(&client, 3, "/t.T/Up", 0); /* sent before the client read the GOAWAY */
  settle();
  assert_int_equal(got_of(&client, 3)->reset, -1);
  client_frame(&client, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, "\0\0\0\0\0\0\0\0", 8);
  UNTIL(&server, client.frames[NGHTTP2_GOAWAY] == 2);
  assert_int_equal(client.last, 3);
  for (int32_t stream = 1; stream <= 3; stream += 2) client_message(&client, stream, 10, END_STREAM);
  UNTIL(&server, client.eof);
  assert_int_equal(got_of(&client, 1)->status, MW_CODE_OK);
  assert_int_equal(got_of(&client, 3)->status, MW_CODE_OK);
}

/* A slow client may still send new calls after the server has decided to go away. */
static void the_last_stream_is_the_last_when_that_is_said(void **state) {
  server_open(&server, NULL);
  client_connect(&client, &server, true);
  client_preface(&client);
  client_setting(&client, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, INT32_MAX);
  client_number(&client, NGHTTP2_WINDOW_UPDATE, 0, INT32_MAX - WINDOW);
  script.down = 200, script.down_size = 65536;
  client_headers(&client, 1, "/t.T/Down", 0);
  client_message(&client, 1, 0, END_STREAM);
  UNTIL(&server, script.starts == 1 && only_conn()->unsent);
  mw_http_conn_goaway(only_conn());
  client_echo(&client, 3);
  UNTIL(&server, script.messages == 1);
  client_listen(&client);
  assert_status(3, MW_CODE_OK);
  assert_int_equal(client.last, 3);
}

/* ---- credit ---- */

static void unread_data_is_not_acknowledged(void **state) {
  client_headers(&client, 1, "/t.T/Open", 0);
  for (int i = 0; i < 6; i++) client_message(&client, 1, 10000, 0);
  settle();
  assert_int_equal(got_of(&client, 1)->credit, 0);
  assert_true(client.credit > 0); /* of the connection, so that other streams go on */
  client_echo(&client, 3);
  assert_status(3, MW_CODE_OK);
  mw_call_read(script.waiting);
  UNTIL(&server, script.messages == 1 + 6);
  UNTIL(&server, got_of(&client, 1)->credit >= 40000);
}

static void more_than_a_window_is_an_error(void **state) {
  client_headers(&client, 1, "/t.T/Open", 0);
  more(1, WINDOW + 1, 0);
  UNTIL(&server, got_of(&client, 1)->reset >= 0 || client.eof);
  assert_int_equal(got_of(&client, 1)->reset, NGHTTP2_FLOW_CONTROL_ERROR);
  UNTIL(&server, script.cancels == 1);
}

/* Sends `len` bytes, never more than the credit allows. */
static void send_by_credit(int32_t stream, size_t len, size_t sent) {
  while (len > 0) {
    size_t credit = WINDOW + got_of(&client, stream)->credit - sent;
    size_t step = credit < len ? credit : len;
    if (step == 0) {
      size_t before = got_of(&client, stream)->credit;
      UNTIL(&server, got_of(&client, stream)->credit > before);
      continue;
    }
    more(stream, step, step == len ? END_STREAM : 0);
    sent += step;
    len -= step;
    settle();
  }
}

static void messages_may_be_larger_than_the_window(void **state) {
  enum { SIZE = 1000000 };
  client_headers(&client, 1, "/t.T/Up", 0);
  begin_message(1, SIZE);
  send_by_credit(1, SIZE, MW_HTTP_PREFIX);
  assert_status(1, MW_CODE_OK);
  assert_int_equal(script.messages, 1);
}

static void a_window_grows_as_its_stream_is_read(void **state) {
  client_headers(&client, 1, "/t.T/Up", 0);
  settle();
  for (int i = 0; i < 40; i++) {
    client_message(&client, 1, 10000, 0);
    settle();
  }
  UNTIL(&server, script.messages == 40);
  assert_true(got_of(&client, 1)->credit >= 400000 + WINDOW);
}

/* ---- bounds ---- */

enum { LARGE = 200000 };

/* Fills the first window with a message of LARGE bytes. */
static void fill(int32_t stream) {
  begin_message(stream, LARGE);
  more(stream, WINDOW - MW_HTTP_PREFIX, 0);
}

static void large_messages_share_a_room_in_turn(void **state) {
  open_with((struct mw_engine_config){.limits = {.buffer_bytes = LARGE + MW_HTTP_PREFIX}});
  for (int32_t stream = 1; stream <= 5; stream += 2) {
    client_headers(&client, stream, "/t.T/Up", 0);
    fill(stream);
    settle();
  }
  assert_true(got_of(&client, 1)->credit > 0);
  assert_int_equal(got_of(&client, 3)->credit, 0);
  assert_int_equal(got_of(&client, 5)->credit, 0);
  client_echo(&client, 7); /* a small message needs no quota */
  assert_status(7, MW_CODE_OK);
  send_by_credit(1, LARGE - WINDOW + MW_HTTP_PREFIX, WINDOW);
  assert_status(1, MW_CODE_OK);
  UNTIL(&server, got_of(&client, 3)->credit > 0);
  assert_int_equal(got_of(&client, 5)->credit, 0);
  client_reset(&client, 3); /* releases its quota */
  UNTIL(&server, got_of(&client, 5)->credit > 0);
  send_by_credit(5, LARGE - WINDOW + MW_HTTP_PREFIX, WINDOW);
  assert_status(5, MW_CODE_OK);
}

static void one_that_waits_for_room_may_go_away(void **state) {
  open_with((struct mw_engine_config){.limits = {.buffer_bytes = LARGE + MW_HTTP_PREFIX}});
  for (int32_t stream = 1; stream <= 5; stream += 2) {
    client_headers(&client, stream, "/t.T/Up", 0);
    fill(stream);
    settle();
  }
  client_reset(&client, 3);
  UNTIL(&server, script.cancels == 1);
  client_reset(&client, 1);
  UNTIL(&server, got_of(&client, 5)->credit > 0);
}

/* A unary message is complete, but cannot be delivered before the stream ends. */
static void a_message_that_is_held_keeps_its_room(void **state) {
  open_with((struct mw_engine_config){.limits = {.buffer_bytes = LARGE + MW_HTTP_PREFIX}});
  client_headers(&client, 1, "/t.T/Echo", 0);
  begin_message(1, LARGE);
  size_t sent = MW_HTTP_PREFIX, left = LARGE;
  while (left > 0) {
    size_t credit = WINDOW + got_of(&client, 1)->credit - sent, step = credit < left ? credit : left;
    more(1, step, 0);
    sent += step, left -= step;
    settle();
  }
  client_headers(&client, 3, "/t.T/Up", 0);
  fill(3);
  settle();
  assert_int_equal(got_of(&client, 3)->credit, 0);
  begin_message(1, LARGE); /* a second message */
  assert_status(1, MW_CODE_UNIMPLEMENTED);
  assert_string_equal(got_of(&client, 1)->text, "more than one request message, the method takes one");
  UNTIL(&server, got_of(&client, 3)->credit > 0);
}

/* A message that is small on the wire and large in memory. */
static void begin_compressed(int32_t stream, struct mw_slice packed) {
  static const char encoding[] = "\0\15grpc-encoding\4gzip";
  uint8_t block[1024], prefix[MW_HTTP_PREFIX];
  size_t len = client_block(&client, "/t.T/Meta", 0, block, sizeof block);
  memcpy(block + len, encoding, sizeof encoding - 1);
  client_frame(&client, NGHTTP2_HEADERS, END_HEADERS, stream, block, len + sizeof encoding - 1);
  mw_http_write_prefix(prefix, packed.len, true);
  client_frame(&client, NGHTTP2_DATA, 0, stream, prefix, sizeof prefix);
  client_frame(&client, NGHTTP2_DATA, 0, stream, packed.data, packed.len);
}

/* Returns the bytes that the calls of the connection hold. */
static size_t held(void) {
  const struct mw_list *calls = &only_conn()->session.calls;
  size_t bytes = 0;
  for (const struct mw_list *link = calls->next; link != calls; link = link->next) {
    const struct mw_http_call *call = MW_CONTAINER(link, struct mw_http_call, link);
    bytes += call->call.arena.used + call->reader.buf.cap;
  }
  return bytes;
}

static void a_message_that_is_held_is_held_as_it_came(void **state) {
  enum { SIZE = 1 << 20, CALLS = 8 };
  static const uint8_t zeros[SIZE];
  struct mw_buf packed = MW_BUF_INIT;
  assert_int_equal(mw_compress(MW_COMPRESSION_GZIP, mw_slice(zeros, SIZE), &packed, NULL), 0);
  for (int32_t i = 0; i < CALLS; i++) begin_compressed(2 * i + 1, mw_buf_slice(&packed));
  settle();
  assert_in_range(held(), 1, CALLS * WINDOW);
  for (int32_t i = 0; i < CALLS; i++) client_frame(&client, NGHTTP2_DATA, END_STREAM, 2 * i + 1, NULL, 0);
  for (int32_t i = 0; i < CALLS; i++) assert_status(2 * i + 1, MW_CODE_NOT_FOUND);
  mw_buf_fini(&packed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define OWN(name) cmocka_unit_test_teardown(name, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(frames_may_be_padded),
      TEST(headers_may_come_in_continuations),
      TEST(nothing_comes_between_continuations),
      TEST(data_of_several_streams_may_be_mixed),
      TEST(a_client_may_end_by_an_empty_frame_or_by_trailers),
      TEST(answers_go_on_after_the_half_close),
      TEST(an_early_answer_takes_back_the_stream_without_an_error),
      TEST(a_reset_cancels_the_call),
      TEST(a_call_that_ends_at_once_starts_no_timer),
      TEST(a_call_that_goes_on_has_a_timer),
      TEST(a_response_that_is_not_read_by_the_deadline_is_reset),
      TEST(headers_that_are_too_long_end_the_call),
      TEST(headers_without_a_message_that_are_too_long_end_the_call),
      TEST(trailers_that_are_too_long_end_the_call),
      TEST(details_that_are_too_long_end_the_call),
      TEST(a_drained_connection_goes_away_in_two_steps),
      OWN(the_last_stream_is_the_last_when_that_is_said),
      TEST(unread_data_is_not_acknowledged),
      TEST(more_than_a_window_is_an_error),
      TEST(messages_may_be_larger_than_the_window),
      TEST(a_window_grows_as_its_stream_is_read),
      OWN(large_messages_share_a_room_in_turn),
      OWN(one_that_waits_for_room_may_go_away),
      OWN(a_message_that_is_held_keeps_its_room),
      TEST(a_message_that_is_held_is_held_as_it_came),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
