/* A stream error, or frames that were under way when a stream was reset, end no other stream. */
#include "http_fixture.h"

enum { OTHER = 3, MANY = 70 }; /* streams; MANY exceeds those that recent.h keeps */

static struct server server;
static struct client client;

/* Opens a call in stream OTHER, which must go on. */
static int setup(void **state) {
  server_open(&server, &(struct mw_engine_config){.limits = {.streams = 100}});
  client_open(&client, &server);
  client_headers(&client, 1, "/t.T/Wait", 0);
  client_headers(&client, OTHER, "/t.T/Chat", 0);
  client_message(&client, OTHER, 5, 0);
  UNTIL(&server, got_of(&client, OTHER)->data == 10);
  return 0;
}

static int teardown(void **state) {
  client_close(&client);
  server_close(&server);
  return 0;
}

/* The other call goes on, and so does a new one whose headers refer to the same HPACK table. */
static void assert_others_live(int32_t new) {
  client_message(&client, OTHER, 7, END_STREAM);
  client_echo(&client, new);
  UNTIL(&server, (got_of(&client, OTHER)->ended && got_of(&client, new)->ended) || client.goaway >= 0);
  assert_int_equal(client.goaway, -1);
  assert_int_equal(got_of(&client, OTHER)->data, 10 + 12);
  assert_int_equal(got_of(&client, OTHER)->status, MW_CODE_OK);
  assert_int_equal(got_of(&client, OTHER)->reset, -1);
  assert_int_equal(got_of(&client, new)->status, MW_CODE_OK);
  assert_int_equal(logged(&server, "connection ended"), 0);
}

/* The stream is reset with the error, and no other stream is. */
static void assert_reset(int32_t stream, uint32_t error) {
  UNTIL(&server, got_of(&client, stream)->reset >= 0 || client.goaway >= 0);
  assert_int_equal(client.goaway, -1);
  assert_int_equal(got_of(&client, stream)->reset, error);
  assert_others_live(stream > OTHER ? stream + 2 : 5);
  UNTIL(&server, server.dispatch.live == (stream == 1 ? 0 : 1));
}

static void assert_connection_ends(uint32_t error) {
  UNTIL(&server, client.eof);
  assert_int_equal(client.goaway, error);
}

/* Sends trailers whose fields go into the HPACK table. */
static void indexed_block(int32_t stream, bool split) {
  uint8_t block[256];
#define NV(NAME, VALUE) \
  { (uint8_t *)NAME, (uint8_t *)VALUE, sizeof NAME - 1, sizeof VALUE - 1, NGHTTP2_NV_FLAG_NONE }
  const nghttp2_nv nv[] = {NV("late", "one"), NV("later", "two")};
#undef NV
  ssize_t n = nghttp2_hd_deflate_hd(client.deflater, block, sizeof block, nv, 2);
  assert_true(n > 0);
  size_t len = (size_t)n, first = split ? 1 : len;
  client_frame(&client, NGHTTP2_HEADERS, (uint8_t)(END_STREAM | (split ? 0 : END_HEADERS)), stream, block, first);
  if (split) client_frame(&client, NGHTTP2_CONTINUATION, END_HEADERS, stream, block + first, len - first);
}

/* ---- after the client's RST_STREAM ---- */

static void data_is_an_error_of_the_stream_once(void **state) {
  client_reset(&client, 1);
  for (int i = 0; i < 3; i++) client_message(&client, 1, 5, 0);
  client_message(&client, 1, 5, END_STREAM);
  client_ping(&client);
  assert_int_equal(client.frames[NGHTTP2_RST_STREAM], 1);
  assert_reset(1, NGHTTP2_STREAM_CLOSED);
}

static void trailers_are_decoded_all_the_same(void **state) {
  client_reset(&client, 1);
  indexed_block(1, false);
  indexed_block(1, true); /* refers to the fields of the block before */
  assert_reset(1, NGHTTP2_STREAM_CLOSED);
}

static void other_frames_are_ignored(void **state) {
  client_reset(&client, 1);
  client_number(&client, NGHTTP2_WINDOW_UPDATE, 1, 1000);
  client_number(&client, NGHTTP2_WINDOW_UPDATE, 1, 0);
  client_frame(&client, NGHTTP2_PRIORITY, 0, 1, "\0\0\0\0\1", 5);
  client_reset(&client, 1);
  client_ping(&client);
  assert_int_equal(client.frames[NGHTTP2_RST_STREAM], 0);
  assert_others_live(5);
}

static void its_bytes_are_given_back_to_the_connection(void **state) {
  static const uint8_t bytes[16384];
  client_reset(&client, 1);
  size_t before = client.credit;
  for (int i = 0; i < 128; i++) {
    client_frame(&client, NGHTTP2_DATA, 0, 1, bytes, sizeof bytes);
    if (i % 16 == 15) client_ping(&client);
  }
  assert_true(client.credit - before >= (128 - 64) * sizeof bytes);
  assert_reset(1, NGHTTP2_STREAM_CLOSED);
}

static void a_client_that_cancels_while_it_sends_goes_on(void **state) {
  for (int32_t stream = 5; stream < 5 + 2 * 200; stream += 2) {
    client_headers(&client, stream, "/t.T/Up", 0);
    client_message(&client, stream, 5, 0);
    client_reset(&client, stream);
    client_message(&client, stream, 5, 0);
    indexed_block(stream, stream % 4 == 1);
  }
  assert_others_live(5 + 2 * 200);
}

static void a_request_that_was_whole_is_no_other(void **state) {
  client_message(&client, 1, 5, END_STREAM);
  client_reset(&client, 1);
  client_message(&client, 1, 5, 0);
  assert_reset(1, NGHTTP2_STREAM_CLOSED);
}

/* ---- after END_STREAM ---- */

static void data_after_the_end_ends_the_call(void **state) {
  client_message(&client, 1, 5, END_STREAM);
  UNTIL(&server, script.waiting);
  client_message(&client, 1, 5, 0);
  client_message(&client, 1, 5, END_STREAM);
  client_ping(&client);
  assert_int_equal(script.cancels, 1);
  assert_int_equal(client.frames[NGHTTP2_RST_STREAM], 1);
  assert_reset(1, NGHTTP2_STREAM_CLOSED);
}

static void trailers_after_the_end_end_the_call(void **state) {
  client_message(&client, 1, 5, END_STREAM);
  indexed_block(1, false);
  indexed_block(1, true);
  assert_reset(1, NGHTTP2_STREAM_CLOSED);
}

static void data_after_the_end_of_a_call_is_an_error_of_its_stream(void **state) {
  client_echo(&client, 5);
  UNTIL(&server, got_of(&client, 5)->ended);
  client_message(&client, 5, 5, END_STREAM);
  assert_reset(5, NGHTTP2_STREAM_CLOSED);
}

static void a_stream_that_is_used_twice_ends_the_connection(void **state) {
  client_echo(&client, 5);
  UNTIL(&server, got_of(&client, 5)->ended);
  client_headers(&client, 5, "/t.T/Echo", 0);
  assert_connection_ends(NGHTTP2_STREAM_CLOSED);
}

/* ---- after the server's RST_STREAM ---- */

/* Makes the server reset the stream, by too large a window. */
static void make_it_reset(void) {
  client_number(&client, NGHTTP2_WINDOW_UPDATE, 1, INT32_MAX);
  UNTIL(&server, got_of(&client, 1)->reset >= 0);
}

static void send_frames_under_way(void) {
  client_message(&client, 1, 5, 0);
  client_number(&client, NGHTTP2_WINDOW_UPDATE, 1, 1000);
  client_frame(&client, NGHTTP2_PRIORITY, 0, 1, "\0\0\0\0\1", 5);
  indexed_block(1, false);
  client_reset(&client, 1);
  client_message(&client, 1, 5, 0);
  indexed_block(1, true);
}

static void frames_of_a_stream_that_was_reset_end_nothing(void **state) {
  make_it_reset();
  send_frames_under_way();
  assert_others_live(5);
}

static void frames_of_a_stream_that_was_forgotten_end_nothing(void **state) {
  make_it_reset();
  for (int32_t i = 0; i < MANY; i++) client_echo(&client, 5 + 2 * i);
  UNTIL(&server, got_of(&client, 3 + 2 * MANY)->ended);
  send_frames_under_way();
  assert_others_live(5 + 2 * MANY);
}

static void frames_of_a_stream_that_is_being_reset_end_nothing(void **state) {
  client_number(&client, NGHTTP2_WINDOW_UPDATE, 1, INT32_MAX);
  client_message(&client, 1, 5, END_STREAM);
  client_message(&client, 1, 5, END_STREAM);
  send_frames_under_way();
  assert_others_live(5);
}

/* ---- stream errors ---- */

static void a_window_that_does_not_grow(void **state) {
  client_number(&client, NGHTTP2_WINDOW_UPDATE, 1, 0);
  assert_reset(1, NGHTTP2_PROTOCOL_ERROR);
}

static void a_window_that_is_too_large(void **state) {
  client_number(&client, NGHTTP2_WINDOW_UPDATE, 1, INT32_MAX);
  assert_reset(1, NGHTTP2_FLOW_CONTROL_ERROR);
}

static void more_data_than_the_window_takes(void **state) {
  static const uint8_t bytes[16384];
  client_headers(&client, 5, "/t.T/Open", 0);
  for (int i = 0; i < 5; i++) client_frame(&client, NGHTTP2_DATA, 0, 5, bytes, sizeof bytes);
  assert_reset(5, NGHTTP2_FLOW_CONTROL_ERROR);
}

static void a_priority_of_another_length(void **state) {
  client_frame(&client, NGHTTP2_PRIORITY, 0, 1, "\0\0\0\0", 4);
  assert_reset(1, NGHTTP2_FRAME_SIZE_ERROR);
}

static void a_stream_that_depends_on_itself(void **state) {
  client_frame(&client, NGHTTP2_PRIORITY, 0, 1, "\0\0\0\1\1", 5);
  assert_reset(1, NGHTTP2_PROTOCOL_ERROR);
}

/* Sends HEADERS, of a request or of trailers, with a priority. */
static void headers_with_a_parent(int32_t stream, const char *path) {
  uint8_t block[4096] = {0, 0, 0, (uint8_t)stream, 16};
  size_t len = 5 + client_block(&client, path, 0, block + 5, sizeof block - 5);
  client_frame(&client, NGHTTP2_HEADERS, END_HEADERS | END_STREAM | NGHTTP2_FLAG_PRIORITY, stream, block, len);
}

static void a_stream_that_depends_on_itself_as_it_opens(void **state) {
  unsigned starts = script.starts;
  headers_with_a_parent(5, "/t.T/Up");
  UNTIL(&server, got_of(&client, 5)->reset >= 0);
  assert_int_equal(script.starts, starts);
  assert_reset(5, NGHTTP2_PROTOCOL_ERROR);
}

static void trailers_of_a_stream_that_depends_on_itself(void **state) {
  headers_with_a_parent(1, "/t.T/Up");
  assert_reset(1, NGHTTP2_PROTOCOL_ERROR);
}

static void trailers_that_do_not_end_the_stream(void **state) {
  uint8_t block[64];
  const nghttp2_nv nv = {(uint8_t *)"a", (uint8_t *)"b", 1, 1, NGHTTP2_NV_FLAG_NO_INDEX};
  ssize_t n = nghttp2_hd_deflate_hd(client.deflater, block, sizeof block, &nv, 1);
  client_frame(&client, NGHTTP2_HEADERS, END_HEADERS, 1, block, (size_t)n);
  assert_reset(1, NGHTTP2_PROTOCOL_ERROR);
}

/* A request with one more field. */
static void request_with(int32_t stream, const char *name, const char *value) {
  uint8_t block[512];
#define NV(NAME, VALUE) \
  { (uint8_t *)(uintptr_t)(NAME), (uint8_t *)(uintptr_t)(VALUE), strlen(NAME), strlen(VALUE), NGHTTP2_NV_FLAG_NO_INDEX }
  const nghttp2_nv nv[] = {NV(":method", "POST"),
                           NV(":scheme", "http"),
                           NV(":path", "/t.T/Up"),
                           NV(":authority", "test"),
                           NV("content-type", "application/grpc"),
                           NV(name, value)};
#undef NV
  ssize_t n = nghttp2_hd_deflate_hd(client.deflater, block, sizeof block, nv, 6);
  assert_true(n > 0);
  client_frame(&client, NGHTTP2_HEADERS, END_HEADERS, stream, block, (size_t)n);
}

static void fields_that_http_forbids(void **state) {
  static const char *const fields[][2] = {{"Upper", "x"}, {"connection", "close"}, {"te", "gzip"},
                                          {":late", "x"}, {":method", "GET"},      {"a b", "x"}};
  int32_t stream = 5;
  for (size_t i = 0; i < sizeof fields / sizeof *fields; i++, stream += 2) {
    request_with(stream, fields[i][0], fields[i][1]);
    UNTIL(&server, got_of(&client, stream)->reset >= 0 || client.goaway >= 0);
    assert_int_equal(got_of(&client, stream)->reset, NGHTTP2_PROTOCOL_ERROR);
  }
  assert_others_live(stream);
}

static void a_length_that_is_not_kept(void **state) {
  request_with(5, "content-length", "3");
  client_message(&client, 5, 5, 0);
  assert_reset(5, NGHTTP2_PROTOCOL_ERROR);
}

/* ---- frames of a stream that was never opened ---- */

static void data_of_an_idle_stream_ends_the_connection(void **state) {
  client_message(&client, 99, 5, 0);
  assert_connection_ends(NGHTTP2_PROTOCOL_ERROR);
}

static void a_window_of_an_idle_stream_ends_the_connection(void **state) {
  client_number(&client, NGHTTP2_WINDOW_UPDATE, 99, 0);
  assert_connection_ends(NGHTTP2_PROTOCOL_ERROR);
}

/* On a connection without calls. */
static void a_reset_of_an_idle_stream_ends_a_new_connection(void **state) {
  struct client fresh;
  client_open(&fresh, &server);
  client_reset(&fresh, 1);
  UNTIL(&server, fresh.eof);
  assert_int_equal(fresh.goaway, NGHTTP2_PROTOCOL_ERROR);
  client_close(&fresh);
}

/* The client cancels a call before its HEADERS are written. Calls on the connection go on. */
static void a_reset_of_an_idle_stream_after_others_changes_nothing(void **state) {
  client_headers(&client, 7, "/t.T/Wait", 0);
  client_reset(&client, 9);
  client_echo(&client, 11);
  UNTIL(&server, got_of(&client, 11)->ended);
  assert_false(got_of(&client, 7)->ended);
  assert_int_equal(got_of(&client, 9)->reset, -1);
  assert_int_equal(client.goaway, -1);
}

static void an_idle_stream_that_depends_on_itself_ends_the_connection(void **state) {
  client_frame(&client, NGHTTP2_PRIORITY, 0, 99, "\0\0\0\x63\1", 5);
  assert_connection_ends(NGHTTP2_PROTOCOL_ERROR);
}

static void a_stream_that_was_left_out_ends_the_connection(void **state) {
  client_echo(&client, 9);
  client_message(&client, 7, 5, 0);
  assert_connection_ends(NGHTTP2_STREAM_CLOSED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(data_is_an_error_of_the_stream_once),
      TEST(trailers_are_decoded_all_the_same),
      TEST(other_frames_are_ignored),
      TEST(its_bytes_are_given_back_to_the_connection),
      TEST(a_client_that_cancels_while_it_sends_goes_on),
      TEST(a_request_that_was_whole_is_no_other),
      TEST(data_after_the_end_ends_the_call),
      TEST(trailers_after_the_end_end_the_call),
      TEST(data_after_the_end_of_a_call_is_an_error_of_its_stream),
      TEST(a_stream_that_is_used_twice_ends_the_connection),
      TEST(frames_of_a_stream_that_was_reset_end_nothing),
      TEST(frames_of_a_stream_that_was_forgotten_end_nothing),
      TEST(frames_of_a_stream_that_is_being_reset_end_nothing),
      TEST(a_window_that_does_not_grow),
      TEST(a_window_that_is_too_large),
      TEST(more_data_than_the_window_takes),
      TEST(a_priority_of_another_length),
      TEST(a_stream_that_depends_on_itself),
      TEST(a_stream_that_depends_on_itself_as_it_opens),
      TEST(trailers_of_a_stream_that_depends_on_itself),
      TEST(trailers_that_do_not_end_the_stream),
      TEST(fields_that_http_forbids),
      TEST(a_length_that_is_not_kept),
      TEST(data_of_an_idle_stream_ends_the_connection),
      TEST(a_window_of_an_idle_stream_ends_the_connection),
      TEST(a_reset_of_an_idle_stream_ends_a_new_connection),
      TEST(a_reset_of_an_idle_stream_after_others_changes_nothing),
      TEST(an_idle_stream_that_depends_on_itself_ends_the_connection),
      TEST(a_stream_that_was_left_out_ends_the_connection),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
