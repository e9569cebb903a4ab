/* PINGs of either side, idle time and age, frame by frame, with short times. */
#include "http_fixture.h"

#include "engine/http/conn/conn_io.h"

#define A_WHILE 0.05 /* seconds: a time that is soon over */
#define AN_AGE 3600. /* seconds: a time that is never over */

static struct server server;
static struct client client;

static void open_with(struct mw_keepalive keepalive) {
  const struct mw_engine_config config = {.keepalive = keepalive};
  server_open(&server, &config);
  client_open(&client, &server);
}

static int teardown(void **state) {
  client_close(&client);
  server_close(&server);
  return 0;
}

static void ping(void) { client_frame(&client, NGHTTP2_PING, 0, 0, "01234567", 8); }

static void pings(unsigned count) {
  unsigned acks = client.acks[NGHTTP2_PING] + count;
  for (unsigned i = 0; i < count; i++) ping();
  UNTIL(&server, client.acks[NGHTTP2_PING] == acks || client.eof);
}

/* Begins a call that goes on, and waits for its first message. */
static void begin_call(int32_t stream) {
  client_headers(&client, stream, "/t.T/Chat", 0);
  client_message(&client, stream, 5, 0);
  UNTIL(&server, got_of(&client, stream)->data > 0);
}

static void end_call(int32_t stream) {
  client_frame(&client, NGHTTP2_DATA, END_STREAM, stream, NULL, 0);
  UNTIL(&server, got_of(&client, stream)->ended);
  assert_int_equal(got_of(&client, stream)->status, MW_CODE_OK);
}

static void assert_stands(void) {
  assert_false(client.eof);
  assert_int_equal(client.goaway, -1);
  assert_int_equal(logged(&server, "connection ended"), 0);
}

/* ---- PINGs of the client ---- */

static void assert_too_many_pings(void) {
  UNTIL(&server, client.eof && server.dispatch.live == 0);
  assert_false(client.reset);
  assert_int_equal(client.frames[NGHTTP2_GOAWAY], 1);
  assert_int_equal(client.goaway, NGHTTP2_ENHANCE_YOUR_CALM);
  assert_string_equal(client.reason, "too_many_pings");
  assert_int_equal(logged(&server, " warn "), 1);
  assert_int_equal(logged(&server, "connection ended: the client sends PINGs too often"), 1);
  assert_int_equal(logged(&server, "reason=pings"), 1);
  assert_int_equal(logged(&server, "peer=ipv4:127.0.0.1:"), 1);
}

static void the_third_ping_that_comes_early_ends_the_connection(void **state) {
  open_with((struct mw_keepalive){.min_time = AN_AGE});
  begin_call(1);
  pings(1 + 2); /* the first is free, because the server has sent frames */
  assert_stands();
  ping();
  assert_too_many_pings();
  assert_int_equal(script.cancels, 1);
  assert_int_equal(script.cancel_code, MW_CODE_CANCELLED);
}

static void headers_and_data_of_the_server_reset_the_strikes(void **state) {
  open_with((struct mw_keepalive){.min_time = AN_AGE});
  client_headers(&client, 1, "/t.T/Chat", 0);
  for (int round = 1; round <= 5; round++) {
    size_t before = got_of(&client, 1)->data;
    client_message(&client, 1, 5, 0);
    UNTIL(&server, got_of(&client, 1)->data > before);
    pings(1 + 2);
  }
  assert_stands();
}

static void pings_in_the_rhythm_that_is_allowed_are_fine(void **state) {
  open_with((struct mw_keepalive){.min_time = 0.002});
  begin_call(1);
  for (int i = 0; i < 10; i++) {
    pings(1);
    int64_t next = mw_clock_mono() + 4 * MW_NS_PER_MS;
    UNTIL(&server, mw_clock_mono() >= next);
  }
  assert_stands();
}

/* Without a call one PING in two hours is allowed, whatever min_time is. */
static void pings_without_a_call_are_early(void **state) {
  open_with((struct mw_keepalive){.min_time = 0.001});
  for (int i = 0; i < 3; i++) {
    pings(1);
    int64_t next = mw_clock_mono() + 3 * MW_NS_PER_MS;
    UNTIL(&server, mw_clock_mono() >= next);
  }
  assert_stands();
  ping();
  assert_too_many_pings();
}

static void pings_without_a_call_can_be_permitted(void **state) {
  open_with((struct mw_keepalive){.min_time = 0.001, .permit_without_stream = true});
  for (int i = 0; i < 10; i++) {
    pings(1);
    int64_t next = mw_clock_mono() + 3 * MW_NS_PER_MS;
    UNTIL(&server, mw_clock_mono() >= next);
  }
  assert_stands();
}

static void answers_to_pings_are_no_pings(void **state) {
  open_with((struct mw_keepalive){.min_time = AN_AGE});
  for (int i = 0; i < 10; i++) client_frame(&client, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, "01234567", 8);
  pings(1);
  assert_stands();
}

static void without_a_limit_any_number_of_pings_is_fine(void **state) {
  open_with((struct mw_keepalive){0});
  pings(50);
  assert_stands();
}

/* ---- PINGs of the server ---- */

static void a_silent_client_is_pinged(void **state) {
  open_with((struct mw_keepalive){.time = A_WHILE, .timeout = AN_AGE});
  begin_call(1);
  UNTIL(&server, client.frames[NGHTTP2_PING] == 3);
  end_call(1);
  assert_stands();
}

static void a_client_that_does_not_answer_is_given_up(void **state) {
  open_with((struct mw_keepalive){.time = A_WHILE, .timeout = A_WHILE});
  begin_call(1);
  client.silent = true;
  int64_t started = mw_clock_mono();
  UNTIL(&server, client.eof && server.dispatch.live == 0);
  assert_true(mw_clock_mono() - started >= (int64_t)(1.9 * A_WHILE * MW_NS_PER_S));
  assert_int_equal(client.frames[NGHTTP2_PING], 1);
  assert_int_equal(script.cancels, 1);
  assert_int_equal(script.cancel_code, MW_CODE_CANCELLED);
  assert_int_equal(logged(&server, " warn "), 1);
  assert_int_equal(logged(&server, "connection ended: the client does not answer a PING"), 1);
  assert_int_equal(logged(&server, "reason=keepalive"), 1);
}

/* Any bytes are a sign of life, not only the answer. */
static void a_client_that_sends_something_else_is_alive(void **state) {
  open_with((struct mw_keepalive){.time = A_WHILE, .timeout = AN_AGE});
  begin_call(1);
  client.silent = true;
  UNTIL(&server, client.frames[NGHTTP2_PING] == 1);
  client_message(&client, 1, 5, 0);
  UNTIL(&server, client.frames[NGHTTP2_PING] == 2);
  assert_stands();
}

static void a_client_that_sends_all_the_time_is_not_pinged(void **state) {
  open_with((struct mw_keepalive){.time = AN_AGE, .timeout = A_WHILE, .max_connection_age = 4 * A_WHILE});
  begin_call(1);
  UNTIL(&server, client.goaway >= 0);               /* the time is over */
  assert_int_equal(client.frames[NGHTTP2_PING], 1); /* the PING between the two GOAWAYs */
}

/* The second connection is the clock: it is checked as often, and gets PINGs because it has a call. */
static void a_client_without_a_call_is_not_pinged(void **state) {
  struct client busy;
  open_with((struct mw_keepalive){.time = A_WHILE, .timeout = AN_AGE});
  client_open(&busy, &server);
  client_headers(&busy, 1, "/t.T/Chat", 0);
  UNTIL(&server, busy.frames[NGHTTP2_PING] == 3);
  assert_int_equal(client.frames[NGHTTP2_PING], 0);
  assert_stands();
  client_close(&busy);
}

static void a_client_without_a_call_is_pinged_where_that_is_permitted(void **state) {
  open_with((struct mw_keepalive){.time = A_WHILE, .timeout = AN_AGE, .permit_without_stream = true});
  UNTIL(&server, client.frames[NGHTTP2_PING] == 2);
  assert_stands();
}

/* ---- idle time ---- */

static void assert_drained(int32_t last) {
  UNTIL(&server, client.eof);
  assert_false(client.reset);
  assert_int_equal(client.frames[NGHTTP2_GOAWAY], 2);
  assert_int_equal(client.goaway, NGHTTP2_NO_ERROR);
  assert_int_equal(client.last, last);
  assert_int_equal(logged(&server, " warn "), 0);
}

static void a_connection_without_calls_is_drained(void **state) {
  open_with((struct mw_keepalive){.max_connection_idle = A_WHILE});
  begin_call(1);
  end_call(1);
  int64_t started = mw_clock_mono();
  assert_drained(1);
  assert_true(mw_clock_mono() - started >= (int64_t)(0.9 * A_WHILE * MW_NS_PER_S));
}

static void a_connection_that_never_had_a_call_is_drained(void **state) {
  open_with((struct mw_keepalive){.max_connection_idle = A_WHILE});
  assert_drained(0);
}

static void a_connection_with_a_call_is_not_idle(void **state) {
  struct client idle;
  open_with((struct mw_keepalive){.max_connection_idle = 2 * A_WHILE});
  begin_call(1);
  client_open(&idle, &server);
  UNTIL(&server, idle.eof); /* the idle time is over */
  assert_stands();
  end_call(1);
  assert_drained(1);
  client_close(&idle);
}

/* ---- age ---- */

static void hold_back_answers(void) { client.silent = true; }

static void an_old_connection_is_drained_and_its_calls_go_on(void **state) {
  open_with((struct mw_keepalive){.max_connection_age = A_WHILE});
  begin_call(1);
  UNTIL(&server, client.frames[NGHTTP2_GOAWAY] == 2);
  size_t before = got_of(&client, 1)->data;
  client_message(&client, 1, 5, 0);
  UNTIL(&server, got_of(&client, 1)->data > before);
  end_call(1);
  assert_drained(1);
  assert_int_equal(script.cancels, 0);
}

static void a_stream_between_the_two_goaways_is_served(void **state) {
  open_with((struct mw_keepalive){.max_connection_age = A_WHILE});
  hold_back_answers();
  begin_call(1);
  UNTIL(&server, client.frames[NGHTTP2_GOAWAY] == 1 && client.frames[NGHTTP2_PING] == 1);
  assert_int_equal(client.goaway, NGHTTP2_NO_ERROR);
  assert_int_equal(client.last, INT32_MAX);
  client_echo(&client, 3);
  UNTIL(&server, got_of(&client, 3)->ended);
  assert_int_equal(got_of(&client, 3)->status, MW_CODE_OK);
  assert_int_equal(client.frames[NGHTTP2_GOAWAY], 1);
  client_frame(&client, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, "01234567", 8); /* the answer to another PING */
  client_echo(&client, 5);
  UNTIL(&server, got_of(&client, 5)->ended);
  assert_int_equal(client.frames[NGHTTP2_GOAWAY], 1);
  client_frame(&client, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, "goodbye", 8);
  UNTIL(&server, client.frames[NGHTTP2_GOAWAY] == 2);
  client_echo(&client, 7);
  end_call(1);
  assert_drained(5);
  assert_int_equal(got_of(&client, 7)->headers, 0);
}

static void the_final_goaway_follows_without_an_answer_to_the_drain_ping(void **state) {
  open_with((struct mw_keepalive){.max_connection_age = A_WHILE});
  hold_back_answers();
  begin_call(1);
  UNTIL(&server, client.frames[NGHTTP2_GOAWAY] == 2);
  end_call(1);
  assert_drained(1);
}

static void after_the_grace_the_calls_of_an_old_connection_end_with_it(void **state) {
  open_with((struct mw_keepalive){.max_connection_age = A_WHILE, .max_connection_age_grace = A_WHILE});
  mw_log_set_level(MW_LOG_INFO);
  begin_call(1);
  UNTIL(&server, client.frames[NGHTTP2_GOAWAY] == 2);
  assert_drained(1);
  UNTIL(&server, server.dispatch.live == 0);
  assert_false(got_of(&client, 1)->ended);
  assert_int_equal(script.cancels, 1);
  assert_int_equal(script.cancel_code, MW_CODE_CANCELLED);
  assert_int_equal(logged(&server, "connection ended with its calls: its maximum age"), 1);
}

static void connections_do_not_all_age_alike(void **state) {
  enum { COUNT = 20 };
  open_with((struct mw_keepalive){.max_connection_age = AN_AGE});
  uint64_t least = UINT64_MAX, most = 0;
  for (int i = 0; i < COUNT; i++) {
    struct mw_http_conn *conn = mw_http_conn_new(mw_http_engine_of(server.engine));
    uint64_t age = conn->keepalive.age_limit - conn->keepalive.last_received;
    if (age < least) least = age;
    if (age > most) most = age;
    assert_in_range(age, AN_AGE * 900, AN_AGE * 1100);
    mw_http_conn_close(conn);
  }
  assert_true(most - least > AN_AGE * 10);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(the_third_ping_that_comes_early_ends_the_connection),
      TEST(headers_and_data_of_the_server_reset_the_strikes),
      TEST(pings_in_the_rhythm_that_is_allowed_are_fine),
      TEST(pings_without_a_call_are_early),
      TEST(pings_without_a_call_can_be_permitted),
      TEST(answers_to_pings_are_no_pings),
      TEST(without_a_limit_any_number_of_pings_is_fine),
      TEST(a_silent_client_is_pinged),
      TEST(a_client_that_does_not_answer_is_given_up),
      TEST(a_client_that_sends_something_else_is_alive),
      TEST(a_client_that_sends_all_the_time_is_not_pinged),
      TEST(a_client_without_a_call_is_not_pinged),
      TEST(a_client_without_a_call_is_pinged_where_that_is_permitted),
      TEST(a_connection_without_calls_is_drained),
      TEST(a_connection_that_never_had_a_call_is_drained),
      TEST(a_connection_with_a_call_is_not_idle),
      TEST(an_old_connection_is_drained_and_its_calls_go_on),
      TEST(a_stream_between_the_two_goaways_is_served),
      TEST(the_final_goaway_follows_without_an_answer_to_the_drain_ping),
      TEST(after_the_grace_the_calls_of_an_old_connection_end_with_it),
      TEST(connections_do_not_all_age_alike),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
