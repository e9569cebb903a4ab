/* Clients that flood a connection with resets, control frames or header blocks: limits, refills and the end. */
#include "http_fixture.h"

#include "engine/http/limits/flood.h"

enum { RESETS = 50, FEW_RESETS = 5, CONTROL = 200 };

static struct server server;
static struct client client;

static int setup_with(uint32_t resets) {
  const struct mw_engine_config config = {
      .limits = {.stream_resets = resets, .control_frames = CONTROL, .streams = 100}};
  server_open(&server, &config);
  client_open(&client, &server);
  return 0;
}

static int setup(void **state) { return setup_with(RESETS); }

static int setup_few(void **state) { return setup_with(FEW_RESETS); }

static int teardown(void **state) {
  client_close(&client);
  server_close(&server);
  return 0;
}

/* The connection ends with a GOAWAY of the code, one log line, one count in the metric, and the end of all its
 * calls. */
static void assert_ended(uint32_t code, const char *reason, const char *text) {
  UNTIL(&server, client.eof);
  double total;
  assert_int_equal(client.goaway, code);
  assert_false(client.reset);
  assert_int_equal(logged(&server, reason), 1);
  assert_int_equal(logged(&server, text), 1);
  assert_int_equal(logged(&server, "peer=ipv4:127.0.0.1:"), 1);
  assert_true(mw_metrics_total(server.metrics, "moonwire_connections_ended_total", &total, NULL));
  assert_int_equal(total, 1);
  UNTIL(&server, server.dispatch.live == 0);
}

static void assert_stands(void) {
  client_ping(&client);
  assert_int_equal(client.goaway, -1);
}

/* ---- resets ---- */

static void open_and_reset(unsigned count, int32_t first) {
  for (unsigned i = 0; i < count; i++) {
    int32_t stream = first + 2 * (int32_t)i;
    client_headers(&client, stream, "/t.T/Up", 0);
    client_reset(&client, stream);
  }
}

static void a_reset_without_an_error_is_a_reset(void **state) {
  for (int i = 0; i < RESETS + 20; i++) {
    client_headers(&client, 2 * i + 1, "/t.T/Up", 0);
    client_number(&client, NGHTTP2_RST_STREAM, 2 * i + 1, NGHTTP2_NO_ERROR);
  }
  assert_ended(NGHTTP2_ENHANCE_YOUR_CALM, "reason=stream_resets", "the client resets too many streams");
}

static void a_rapid_reset_ends_the_connection(void **state) {
  open_and_reset(RESETS + 20, 1);
  assert_ended(NGHTTP2_ENHANCE_YOUR_CALM, "reason=stream_resets", "the client resets too many streams");
  assert_true(script.starts <= RESETS + 20);
}

/* Of streams that the client never opens. */
static void a_reset_of_an_idle_stream_is_a_reset(void **state) {
  client_headers(&client, 1, "/t.T/Wait", 0);
  for (int i = 0; i < RESETS + 20; i++) client_reset(&client, 2 * i + 3);
  assert_ended(NGHTTP2_ENHANCE_YOUR_CALM, "reason=stream_resets", "the client resets too many streams");
}

static void a_client_that_cancels_now_and_then_goes_on(void **state) {
  int32_t stream = 1;
  for (int round = 0; round < 5; round++) {
    open_and_reset(RESETS / 2, stream);
    stream += RESETS;
    int32_t last = stream;
    for (int i = 0; i < RESETS / 2; i++, stream += 2) {
      last = stream;
      client_echo(&client, stream);
    }
    UNTIL(&server, got_of(&client, last)->ended);
  }
  assert_stands();
}

/* The client never sends RST_STREAM, but makes the server send it. */
static void streams_that_the_server_has_to_reset_count_as_well(void **state) {
  for (int i = 0; i < RESETS + 20; i++) {
    client_headers(&client, 2 * i + 1, "/t.T/Up", 0);
    client_number(&client, NGHTTP2_WINDOW_UPDATE, 2 * i + 1, INT32_MAX);
  }
  assert_ended(NGHTTP2_ENHANCE_YOUR_CALM, "reason=stream_resets", "the client resets too many streams");
}

/* Stream errors for which nghttp2 would end the connection. */
static void streams_whose_frames_are_in_error_count_as_well(void **state) {
  for (int i = 0; i < RESETS + 20; i++) {
    client_headers(&client, 2 * i + 1, "/t.T/Up", 0);
    client_number(&client, NGHTTP2_WINDOW_UPDATE, 2 * i + 1, 0);
  }
  assert_ended(NGHTTP2_ENHANCE_YOUR_CALM, "reason=stream_resets", "the client resets too many streams");
  assert_true(script.starts <= RESETS + 20);
}

/* Connects a client that makes the server send a lot and does not read it. */
static void connect_deaf(struct client *deaf) {
  client_connect(deaf, &server, true);
  client_preface(deaf);
  script.down = 1000;
  script.down_size = 65536;
  client_number(deaf, NGHTTP2_WINDOW_UPDATE, 0, 1 << 30);
  client_setting(deaf, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 30);
  client_headers(deaf, 1, "/t.T/Down", 0);
  client_message(deaf, 1, 0, END_STREAM);
  UNTIL(&server, script.down_sent > 0);
}

/* They count before their RST_STREAM is sent: a client that does not read could have any number of them queued. The end
 * of the connection does not wait for the timer of the 20-second limits either. */
static void streams_that_are_refused_count_as_well(void **state) {
  struct client deaf;
  connect_deaf(&deaf);
  for (int i = 0; i < 100 + RESETS + 20; i++) client_headers(&deaf, 2 * i + 3, "/t.T/Up", 0);
  UNTIL(&server, logged(&server, "reason=stream_resets") == 1);
  uint64_t failed = uv_now(&server.loop.uv);
  UNTIL(&server, server.dispatch.live == 0);
  assert_in_range(uv_now(&server.loop.uv) - failed, 0, 4000);
  client_close(&deaf);
}

/* ---- honest cancels ---- */

/* Opens and cancels calls in turn; the handler of each has started. */
static void open_and_cancel(unsigned count) {
  for (unsigned i = 0; i < count && !client.eof; i++) {
    client_headers(&client, 2 * (int32_t)i + 1, "/t.T/Up", 0);
    UNTIL(&server, script.starts > i || client.eof);
    client_reset(&client, 2 * (int32_t)i + 1);
  }
}

static void cancels_of_calls_that_have_begun_cost_a_tenth(void **state) {
  open_and_cancel(6 * RESETS);
  assert_stands();
}

static void too_many_of_them_end_the_connection(void **state) {
  open_and_cancel(30 * FEW_RESETS);
  assert_ended(NGHTTP2_ENHANCE_YOUR_CALM, "reason=stream_resets", "the client resets too many streams");
}

static void cancels_of_calls_that_were_open_for_a_while_cost_nothing(void **state) {
  enum { CALLS = 90 };
  for (int32_t i = 0; i < CALLS; i++) client_headers(&client, 2 * i + 1, "/t.T/Up", 0);
  UNTIL(&server, script.starts == CALLS);
  uint64_t begun = uv_now(&server.loop.uv);
  UNTIL(&server, uv_now(&server.loop.uv) >= begun + MW_HTTP_FLOOD_FREE_MS);
  for (int32_t i = 0; i < CALLS; i++) client_reset(&client, 2 * i + 1);
  assert_stands();
}

static void cancels_of_calls_that_were_sent_headers_cost_nothing(void **state) {
  script.headers_first = true;
  for (int32_t stream = 1; stream < STREAMS; stream += 2) {
    client_headers(&client, stream, "/t.T/Wait", 0);
    client_message(&client, stream, 1, END_STREAM);
    UNTIL(&server, got_of(&client, stream)->headers > 0);
    client_reset(&client, stream);
  }
  assert_stands();
}

/* ---- control frames ---- */

static void flood(uint8_t type, uint8_t flags, int32_t stream, const void *payload, size_t len, unsigned count) {
  for (unsigned i = 0; i < count; i++) client_frame(&client, type, flags, stream, payload, len);
}

static void assert_too_many_control_frames(void) {
  assert_ended(NGHTTP2_ENHANCE_YOUR_CALM, "reason=control_frames", "too many control frames");
}

static void pings(void **state) {
  flood(NGHTTP2_PING, 0, 0, "01234567", 8, CONTROL + 50);
  assert_too_many_control_frames();
}

static void answers_to_pings_that_nobody_sent(void **state) {
  flood(NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, "01234567", 8, CONTROL + 50);
  assert_too_many_control_frames();
}

static void settings(void **state) {
  flood(NGHTTP2_SETTINGS, 0, 0, "\0\4\0\0\xff\xff", 6, CONTROL / 10 + 5);
  assert_too_many_control_frames();
}

static void priorities(void **state) {
  flood(NGHTTP2_PRIORITY, 0, 99, "\0\0\0\0\1", 5, CONTROL + 50);
  assert_too_many_control_frames();
}

static void frames_of_unknown_types(void **state) {
  flood(0xbb, 0, 0, "x", 1, CONTROL + 50);
  assert_too_many_control_frames();
}

static void windows(void **state) {
  flood(NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\0\1", 4, CONTROL + 50);
  assert_too_many_control_frames();
}

static void empty_data(void **state) {
  client_headers(&client, 1, "/t.T/Up", 0);
  flood(NGHTTP2_DATA, 0, 1, NULL, 0, CONTROL + 50);
  assert_too_many_control_frames();
}

static void data_that_is_all_padding(void **state) {
  client_headers(&client, 1, "/t.T/Up", 0);
  flood(NGHTTP2_DATA, PADDED, 1, "\4\0\0\0\0", 5, CONTROL + 50);
  assert_too_many_control_frames();
}

/* A client that measures its bandwidth sends a PING for the data that it receives. */
static void a_client_that_is_sent_data_may_ping(void **state) {
  script.down = 20;
  int32_t stream = 1;
  for (unsigned pings = 0; pings < 5 * CONTROL; stream += 2) {
    client_headers(&client, stream, "/t.T/Down", 0);
    client_message(&client, stream, 0, END_STREAM);
    script.down_sent = 0;
    UNTIL(&server, got_of(&client, stream)->ended);
    flood(NGHTTP2_PING, 0, 0, "01234567", 8, 20);
    pings += 20;
  }
  assert_stands();
}

static void pings_whose_answers_are_not_read_end_the_connection(void **state) {
  struct client deaf;
  connect_deaf(&deaf);
  for (int i = 0; i < 10 * CONTROL && !logged(&server, "connection ended"); i++) {
    client_frame(&deaf, NGHTTP2_PING, 0, 0, "01234567", 8);
    turn(&server);
  }
  UNTIL(&server, server.dispatch.live == 0);
  client_close(&deaf);
}

/* ---- header blocks ---- */

static void a_header_block_without_an_end_ends_the_connection(void **state) {
  static const uint8_t piece[16384];
  client_frame(&client, NGHTTP2_HEADERS, 0, 1, "\x82", 1);
  for (int i = 0; i < 10; i++) client_frame(&client, NGHTTP2_CONTINUATION, 0, 1, piece, sizeof piece);
  assert_ended(NGHTTP2_ENHANCE_YOUR_CALM, "reason=long_headers", "the header block of a request is too long");
}

static void a_header_block_of_many_small_frames_ends_the_connection(void **state) {
  client_frame(&client, NGHTTP2_HEADERS, 0, 1, NULL, 0);
  flood(NGHTTP2_CONTINUATION, 0, 1, NULL, 0, 50);
  assert_ended(NGHTTP2_ENHANCE_YOUR_CALM, "reason=long_headers", "the header block of a request is too long");
}

static void a_header_list_over_the_limit_is_refused_and_the_connection_stands(void **state) {
  static uint8_t block[40000];
  size_t len = client_block(&client, "/t.T/Echo", 20000, block, sizeof block);
  client_frame(&client, NGHTTP2_HEADERS, END_STREAM, 1, block, 16384);
  client_frame(&client, NGHTTP2_CONTINUATION, END_HEADERS, 1, block + 16384, len - 16384);
  UNTIL(&server, got_of(&client, 1)->ended);
  assert_int_equal(got_of(&client, 1)->status, MW_CODE_RESOURCE_EXHAUSTED);
  assert_string_equal(got_of(&client, 1)->text, "metadata longer than the limit of 16384 bytes");
  assert_stands();
}

/* ---- other ends ---- */

static void other_protocols_end_the_connection(void **state) {
  client_frame(&client, NGHTTP2_DATA, 0, 0, "x", 1);
  assert_ended(NGHTTP2_PROTOCOL_ERROR, "detail=PROTOCOL_ERROR", "HTTP/2 protocol error");
}

static void a_flood_of_connections_is_not_one_of_lines(void **state) {
  for (int i = 0; i < 20; i++) {
    struct client bad;
    client_connect(&bad, &server, false);
    client_write(&bad, "GET / HTTP/1.1\r\n\r\n1234567", 25);
    UNTIL(&server, bad.eof);
    client_close(&bad);
  }
  double total;
  assert_true(mw_metrics_total(server.metrics, "moonwire_connections_ended_total", &total, NULL));
  assert_int_equal(total, 20);
  assert_in_range(logged(&server, "reason=http1"), 1, 10);
}

/* Before and after the client has read the limit. The other streams go on. */
static void streams_have_a_limit(void **state) {
  struct client new;
  client_connect(&new, &server, false);
  new.silent = true;
  client_preface(&new);
  for (int i = 0; i <= 100; i++) client_headers(&new, 2 * i + 1, "/t.T/Up", 0);
  UNTIL(&server, got_of(&new, 201)->reset >= 0);
  assert_int_equal(got_of(&new, 201)->reset, NGHTTP2_REFUSED_STREAM);
  assert_int_equal(script.starts, 100);
  client_close(&new);

  assert_int_equal(client.settings[NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS], 100);
  for (int i = 0; i <= 100; i++) client_headers(&client, 2 * i + 1, "/t.T/Up", 0);
  UNTIL(&server, got_of(&client, 201)->reset >= 0);
  assert_int_equal(got_of(&client, 201)->reset, NGHTTP2_REFUSED_STREAM);
  client_message(&client, 1, 1, END_STREAM);
  UNTIL(&server, got_of(&client, 1)->ended);
  client_echo(&client, 203);
  UNTIL(&server, got_of(&client, 203)->ended);
  assert_int_equal(got_of(&client, 203)->status, MW_CODE_OK);
  assert_stands();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_FEW(name) cmocka_unit_test_setup_teardown(name, setup_few, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_rapid_reset_ends_the_connection),
      TEST(a_reset_without_an_error_is_a_reset),
      TEST(a_reset_of_an_idle_stream_is_a_reset),
      TEST(a_client_that_cancels_now_and_then_goes_on),
      TEST(streams_that_the_server_has_to_reset_count_as_well),
      TEST(streams_whose_frames_are_in_error_count_as_well),
      TEST(streams_that_are_refused_count_as_well),
      TEST(cancels_of_calls_that_have_begun_cost_a_tenth),
      TEST_FEW(too_many_of_them_end_the_connection),
      TEST_FEW(cancels_of_calls_that_were_sent_headers_cost_nothing),
      TEST_FEW(cancels_of_calls_that_were_open_for_a_while_cost_nothing),
      TEST(pings),
      TEST(answers_to_pings_that_nobody_sent),
      TEST(settings),
      TEST(priorities),
      TEST(frames_of_unknown_types),
      TEST(windows),
      TEST(empty_data),
      TEST(data_that_is_all_padding),
      TEST(a_client_that_is_sent_data_may_ping),
      TEST(pings_whose_answers_are_not_read_end_the_connection),
      TEST(a_header_block_without_an_end_ends_the_connection),
      TEST(a_header_block_of_many_small_frames_ends_the_connection),
      TEST(a_header_list_over_the_limit_is_refused_and_the_connection_stands),
      TEST(other_protocols_end_the_connection),
      TEST(a_flood_of_connections_is_not_one_of_lines),
      TEST(streams_have_a_limit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
