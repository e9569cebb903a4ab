/* The cases that every engine passes: calls of the four types, their ends, metadata, limits and backpressure; then the
 * lifecycle of an engine. engine_core_*_test.c, engine_inproc_test.c and http_*_test.c have the cases of one engine. */
#include "engine_contract.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>

static const struct contract_kind *kind; /* that the group runs on */
static struct contract contract;
static struct client client;

static int setup(void **state) {
  contract_open(&contract, kind, true);
  return 0;
}

static int teardown(void **state) {
  contract_close(&contract);
  return 0;
}

static void start(const char *name) { contract_call(&contract, &client, name, MW_NEVER, NULL); }

/* Waits for the end of the call and of its handler. */
static void ends_with(enum mw_code code, const char *text) {
  UNTIL(&contract, client.done);
  assert_int_equal(client.code, code);
  if (text) assert_string_equal(client.text, text);
  client_release(&client);
  UNTIL(&contract, contract.dispatch.live == 0 && contract.dispatch.queue.n == 0);
  assert_int_equal(client.done, 1);
}

/* ---- the four types ---- */

static void a_unary_call_returns_its_reply(void **state) {
  start("Echo");
  client_request(&client, "hello");
  ends_with(MW_CODE_OK, "");
  assert_int_equal(client.messages, 1);
  assert_string_equal(client.last, "hello");
  assert_int_equal(client.headers, 1);
  assert_int_equal(script.starts, 1);
  assert_int_equal(script.messages, 1);
  assert_int_equal(script.cancels, 0);
}

static void an_empty_message_is_a_message(void **state) {
  start("Echo");
  client_request(&client, "");
  ends_with(MW_CODE_OK, "");
  assert_int_equal(client.messages, 1);
  assert_int_equal(client.bytes, 0);
}

static void a_large_message_arrives_whole(void **state) {
  size_t len = CONTRACT_RECEIVE;
  char *data = malloc(len);
  memset(data, 'x', len);
  start("Echo");
  client_send(&client, data, len);
  client_half_close(&client);
  client_read(&client);
  ends_with(MW_CODE_OK, "");
  assert_int_equal(client.bytes, len);
  free(data);
}

static void a_server_stream_keeps_its_order(void **state) {
  script.down = 500;
  start("Down");
  client.manual = true;
  client_request(&client, "go");
  for (uint32_t i = 1; i <= script.down; i++) {
    UNTIL(&contract, client.messages == i);
    assert_int_equal((uint8_t)client.last[0], i & 0xff); /* the message is its number, the low byte first */
    client_read(&client);
  }
  ends_with(MW_CODE_OK, "");
}

static void a_server_stream_may_be_empty(void **state) {
  start("Down");
  client_request(&client, "go");
  ends_with(MW_CODE_OK, "");
  assert_int_equal(client.messages, 0);
}

static void an_upload_is_counted(void **state) {
  start("Up");
  for (int i = 0; i < 100; i++) client_send(&client, "one", 3);
  client_half_close(&client);
  client_read(&client);
  ends_with(MW_CODE_OK, "");
  assert_string_equal(client.last, "100");
}

static void an_upload_may_be_empty(void **state) {
  start("Up");
  client_half_close(&client);
  client_read(&client);
  ends_with(MW_CODE_OK, "");
  assert_string_equal(client.last, "0");
}

static void a_chat_goes_to_and_fro(void **state) {
  start("Chat");
  client.manual = true;
  for (unsigned i = 1; i <= 20; i++) {
    char text[8];
    snprintf(text, sizeof text, "%u", i);
    client_send(&client, text, strlen(text));
    client_read(&client);
    UNTIL(&contract, client.messages == i);
    assert_string_equal(client.last, text);
  }
  client_half_close(&client);
  client_read(&client);
  ends_with(MW_CODE_OK, "");
}

static void many_calls_run_at_once(void **state) {
  enum { CALLS = 50 };
  static struct client clients[CALLS];
  for (int i = 0; i < CALLS; i++) {
    contract_call(&contract, &clients[i], "Echo", MW_NEVER, NULL);
    client_request(&clients[i], "hello");
  }
  for (int i = 0; i < CALLS; i++) {
    UNTIL(&contract, clients[i].done);
    assert_int_equal(clients[i].code, MW_CODE_OK);
    client_release(&clients[i]);
  }
  UNTIL(&contract, contract.dispatch.live == 0);
  assert_int_equal(script.starts, CALLS);
}

/* ---- a call's own data ---- */

static void a_call_has_its_path_peer_and_deadline(void **state) {
  int64_t before = mw_clock_mono();
  contract_call(&contract, &client, "Wait", before + 60 * (int64_t)MW_NS_PER_S, NULL);
  client_request(&client, "hello");
  UNTIL(&contract, script.waiting);
  struct mw_call *call = script.waiting;
  assert_true(mw_slice_eq_str(call->path, "/t.T/Wait"));
  assert_true(strlen(call->peer) > 0);
  assert_true(call->id > 0);
  assert_in_range(call->arrived, before, mw_clock_mono());
  assert_in_range(call->deadline, before + 55 * (int64_t)MW_NS_PER_S, before + 65 * (int64_t)MW_NS_PER_S);
  assert_int_equal(call->received, 1);
  reply(call, mw_slice_str("done"));
  ends_with(MW_CODE_OK, "");
}

static void without_a_deadline_it_is_never(void **state) {
  start("Wait");
  client_request(&client, "hello");
  UNTIL(&contract, script.waiting);
  assert_true(script.waiting->deadline == MW_NEVER);
  reply(script.waiting, mw_slice_str("done"));
  ends_with(MW_CODE_OK, "");
}

static void metadata_and_status_go_both_ways(void **state) {
  struct mw_arena arena;
  struct mw_metadata metadata = {0};
  struct mw_slice raw = mw_slice("\x00\x01\xfe\xff,=", 6);
  mw_arena_init(&arena, SIZE_MAX);
  mw_metadata_add(&metadata, &arena, mw_slice_str("h-name"), mw_slice_str("one"));
  mw_metadata_add(&metadata, &arena, mw_slice_str("h-name"), mw_slice_str("two"));
  mw_metadata_add(&metadata, &arena, mw_slice_str("h-raw-bin"), raw);
  mw_metadata_add(&metadata, &arena, mw_slice_str("t-name"), mw_slice_str("three"));
  mw_metadata_add(&metadata, &arena, mw_slice_str("t-raw-bin"), raw);
  mw_metadata_add(&metadata, &arena, mw_slice_str("t-empty-bin"), mw_slice(NULL, 0));
  contract_call(&contract, &client, "Meta", MW_NEVER, &metadata);
  mw_arena_fini(&arena);
  client_request(&client, "");
  UNTIL(&contract, client.done);
  assert_true(mw_slice_eq(client.details, mw_slice("\x08\x05\x00\xff", 4)));
  assert_int_equal(client.got_headers.len, 3);
  assert_true(mw_slice_eq_str(client.got_headers.entries[0].value, "one"));
  assert_true(mw_slice_eq_str(client.got_headers.entries[1].value, "two"));
  assert_true(mw_slice_eq(*mw_metadata_get(&client.got_headers, "h-raw-bin"), raw));
  assert_int_equal(client.got_trailers.len, 3);
  assert_true(mw_slice_eq_str(*mw_metadata_get(&client.got_trailers, "t-name"), "three"));
  assert_true(mw_slice_eq(*mw_metadata_get(&client.got_trailers, "t-raw-bin"), raw));
  assert_int_equal(mw_metadata_get(&client.got_trailers, "t-empty-bin")->len, 0);
  ends_with(MW_CODE_NOT_FOUND, "gr\xc3\xbc\xc3\x9f dich, 100%\n");
}

static void headers_may_go_first(void **state) {
  script.headers_first = true;
  start("Wait");
  client_request(&client, "hello");
  UNTIL(&contract, client.headers == 1);
  assert_int_equal(client.messages, 0);
  reply(script.waiting, mw_slice_str("done"));
  ends_with(MW_CODE_OK, "");
  assert_int_equal(client.headers, 1);
}

/* ---- requests that no handler gets ---- */

static void an_unknown_method_is_unimplemented(void **state) {
  start("Nowhere");
  client_request(&client, "hello");
  ends_with(MW_CODE_UNIMPLEMENTED, "unknown method /t.T/Nowhere");
  start("/t.U/Echo");
  client_request(&client, "hello");
  ends_with(MW_CODE_UNIMPLEMENTED, "unknown service t.U");
  assert_int_equal(script.starts, 0);
}

static void a_method_with_one_request_gets_one(void **state) {
  start("Echo");
  client_half_close(&client);
  client_read(&client);
  ends_with(MW_CODE_UNIMPLEMENTED, "no request message, the method takes one");
  static const char *const names[] = {"Echo", "Once", "Down"};
  for (size_t i = 0; i < 3; i++) {
    start(names[i]);
    client_send(&client, "one", 3);
    client_send(&client, "two", 3);
    client_half_close(&client);
    client_read(&client);
    ends_with(MW_CODE_UNIMPLEMENTED, "more than one request message, the method takes one");
  }
  assert_int_equal(script.messages, 0);
  assert_int_equal(script.down_sent, 0);
}

static void a_message_over_the_limit_is_refused(void **state) {
  size_t len = CONTRACT_RECEIVE + 1;
  char *data = calloc(1, len);
  start("Echo");
  client_send(&client, data, len);
  client_half_close(&client);
  client_read(&client);
  ends_with(MW_CODE_RESOURCE_EXHAUSTED, NULL);
  assert_int_equal(script.messages, 0);
  free(data);
}

static void a_draining_dispatch_refuses_calls(void **state) {
  contract.dispatch.draining = true;
  start("Echo");
  client_request(&client, "hello");
  ends_with(MW_CODE_UNAVAILABLE, NULL);
  assert_int_equal(script.starts, 0);
}

/* ---- reads ---- */

static void a_read_after_the_only_message_ends(void **state) {
  start("Wait");
  client_request(&client, "hello");
  UNTIL(&contract, script.waiting);
  mw_call_read(script.waiting);
  assert_int_equal(script.ends, 0); /* never from within mw_call_read() */
  UNTIL(&contract, script.ends == 1);
  reply(script.waiting, mw_slice_str("done"));
  ends_with(MW_CODE_OK, "");
}

static void a_handler_may_begin_with_its_request(void **state) {
  start("Once");
  client_request(&client, "hello");
  ends_with(MW_CODE_OK, "");
  assert_string_equal(client.last, "hello");
  assert_int_equal(script.messages, 1);
}

static void a_call_that_ends_before_its_request_runs_no_handler(void **state) {
  start("Once");
  UNTIL(&contract, contract.dispatch.live == 1);
  client_cancel(&client);
  ends_with(MW_CODE_CANCELLED, NULL);
  UNTIL(&contract, contract.dispatch.live == 0);
  contract_call(&contract, &client, "Once", mw_clock_mono() + 300 * (int64_t)MW_NS_PER_MS, NULL);
  UNTIL(&contract, contract.dispatch.live == 1);
  ends_with(MW_CODE_DEADLINE_EXCEEDED, NULL);
  UNTIL(&contract, contract.dispatch.live == 0);
  start("Once");
  UNTIL(&contract, contract.dispatch.live == 1);
  mw_dispatch_cancel_all(&contract.dispatch, mw_status(MW_CODE_UNAVAILABLE, "closed for today"));
  ends_with(MW_CODE_UNAVAILABLE, "closed for today");
  assert_int_equal(contract.dispatch.live, 0);
  assert_int_equal(script.messages + script.cancels, 0);
}

static void messages_wait_for_a_read(void **state) {
  start("Open");
  client_send(&client, "one", 3);
  client_send(&client, "two", 3);
  client_half_close(&client);
  client_read(&client);
  UNTIL(&contract, script.waiting);
  for (int i = 0; i < 10; i++) kind->turn(&contract);
  assert_int_equal(script.messages, 0);
  mw_call_read(script.waiting); /* the handler reads on by itself */
  ends_with(MW_CODE_OK, "");
  assert_string_equal(client.last, "2");
}

/* ---- ends ---- */

static void a_deadline_ends_the_call_on_both_sides(void **state) {
  contract_call(&contract, &client, "Wait", mw_clock_mono() + 300 * (int64_t)MW_NS_PER_MS, NULL);
  client_request(&client, "hello");
  UNTIL(&contract, script.waiting);
  ends_with(MW_CODE_DEADLINE_EXCEEDED, NULL);
  UNTIL(&contract, script.cancels == 1);
  assert_int_equal(script.cancel_code, MW_CODE_DEADLINE_EXCEEDED);
  assert_string_equal(script.cancel_text, "the deadline has passed");
}

static void a_deadline_in_the_past_ends_the_call(void **state) {
  contract_call(&contract, &client, "Wait", mw_clock_mono() - 1, NULL);
  client_request(&client, "hello");
  ends_with(MW_CODE_DEADLINE_EXCEEDED, NULL);
}

static void a_cancel_reaches_the_handler(void **state) {
  static const char *const names[] = {"Wait", "Up", "Chat", "Open"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    script.starts = script.messages = script.cancels = 0;
    start(names[i]);
    client_send(&client, "hello", 5);
    if (i == 0) client_half_close(&client);
    UNTIL(&contract, i == 3 ? script.starts : script.messages); /* Open reads nothing */
    client_cancel(&client);
    ends_with(MW_CODE_CANCELLED, NULL);
    assert_int_equal(script.cancels, 1);
    assert_int_equal(script.cancel_code, MW_CODE_CANCELLED);
  }
}

static void a_release_cancels(void **state) {
  start("Wait");
  client_request(&client, "hello");
  UNTIL(&contract, script.waiting);
  client_release(&client);
  UNTIL(&contract, script.cancels == 1);
  UNTIL(&contract, contract.dispatch.live == 0);
  assert_int_equal(script.cancel_code, MW_CODE_CANCELLED);
  assert_int_equal(client.done, 0);
}

/* A handler may run on after `cancelled`. Its reply is dropped. */
static void a_cancelled_call_is_finished_by_its_handler(void **state) {
  script.stay = true;
  start("Wait");
  client_request(&client, "hello");
  UNTIL(&contract, script.waiting);
  client_cancel(&client);
  UNTIL(&contract, client.done && script.cancels == 1);
  assert_int_equal(contract.dispatch.live, 1);
  assert_non_null(mw_call_reserve(script.waiting, 4));
  assert_false(mw_call_send(script.waiting, 0));
  reply(script.waiting, mw_slice_str("too late"));
  ends_with(MW_CODE_CANCELLED, NULL);
  assert_int_equal(client.messages, 0);
}

static void the_server_may_cancel(void **state) {
  start("Wait");
  client_request(&client, "hello");
  UNTIL(&contract, script.waiting);
  mw_dispatch_cancel_all(&contract.dispatch, mw_status(MW_CODE_UNAVAILABLE, "closed for today"));
  ends_with(MW_CODE_UNAVAILABLE, "closed for today");
  assert_int_equal(script.cancels, 1);
}

static void a_handler_may_end_before_the_request_does(void **state) {
  struct mw_status status = mw_status(MW_CODE_FAILED_PRECONDITION, "enough");
  start("Open");
  client_send(&client, "one", 3);
  client_read(&client);
  UNTIL(&contract, script.waiting);
  mw_call_finish(script.waiting, &status);
  UNTIL(&contract, client.done);
  client_send(&client, "two", 3); /* dropped */
  ends_with(MW_CODE_FAILED_PRECONDITION, "enough");
}

/* ---- backpressure ---- */

static void a_stream_that_nobody_reads_waits(void **state) {
  script.down = UINT32_MAX;
  script.down_size = 60000;
  start("Down");
  client.manual = true;
  client_request(&client, "go");
  UNTIL(&contract, client.messages == 1);
  uint32_t sent;
  do {
    sent = script.down_sent;
    for (int i = 0; i < 10; i++) kind->turn(&contract);
  } while (sent != script.down_sent);
  assert_in_range(script.most_unsent, 1, MW_CALL_UNSENT_BYTES / script.down_size + 1);
  client.manual = false;
  client_read(&client);
  UNTIL(&contract, script.writables > 0 && script.down_sent > sent);
  client_cancel(&client);
  ends_with(MW_CODE_CANCELLED, NULL);
}

static void an_upload_that_nobody_reads_waits(void **state) {
  enum { SIZE = 60000, MOST = 4000 };
  static const char data[SIZE];
  unsigned sent = 0;
  start("Open");
  UNTIL(&contract, script.waiting);
  while (client_send(&client, data, SIZE)) {
    if (++sent > MOST) fail_msg("send() takes everything");
    kind->turn(&contract);
  }
  assert_int_equal(client.writables, 0);
  mw_call_read(script.waiting);
  UNTIL(&contract, client.writables == 1);
  client_half_close(&client);
  client_read(&client);
  ends_with(MW_CODE_OK, "");
  assert_int_equal(script.messages, sent + 1);
}

/* ---- an engine's life ---- */

struct run {
  bool (*step)(void); /* returns true when the engine has to stop */
  struct contract *contract;
  int64_t until;
};

static void run_step(void *arg) {
  struct run *run = arg;
  struct mw_engine *engine = run->contract->engine;
  bool late = mw_clock_mono() > run->until;
  if (late || run->step()) {
    engine->ops->stop(engine);
    engine->ops->stop(engine); /* again, for nothing */
  } else {
    mw_timer_start(&run->contract->loop, MW_NS_PER_MS, run_step, run);
  }
  if (late) print_error("run(): waited too long\n");
}

/* Lets the engine run itself, with a step each millisecond, until one returns true. */
static void run_until(bool (*step)(void)) {
  struct run run = {step, &contract, mw_clock_mono() + WAIT_MS * (int64_t)MW_NS_PER_MS};
  mw_timer_start(&contract.loop, 0, run_step, &run);
  contract.engine->ops->run(contract.engine);
  assert_true(mw_clock_mono() <= run.until);
}

static int setup_life(void **state) {
  contract_open(&contract, kind, false);
  return 0;
}

static bool client_is_done(void) { return client.done; }

static void run_serves_until_stop(void **state) {
  start("Echo");
  client_request(&client, "hello");
  run_until(client_is_done);
  assert_int_equal(client.code, MW_CODE_OK);
  client_release(&client);
}

static bool handler_waits(void) { return script.waiting; }

static void stop_cancels_live_calls(void **state) {
  start("Wait");
  client_request(&client, "hello");
  run_until(handler_waits);
  assert_int_equal(script.cancels, 1);
  assert_int_equal(script.cancel_code, MW_CODE_UNAVAILABLE);
  assert_int_equal(contract.dispatch.live, 0);
  client_release(&client);
}

static bool drained;

static bool drain_then_reply(void) {
  struct mw_engine *engine = contract.engine;
  if (script.waiting && !drained) {
    drained = true;
    engine->ops->drain(engine);
    engine->ops->drain(engine); /* again, for nothing */
    assert_int_equal(script.cancels, 0);
    struct mw_call *call = script.waiting;
    script.waiting = NULL;
    reply(call, mw_slice_str("done"));
  }
  return drained && client.done && engine->ops->is_quiet(engine);
}

static void drain_lets_live_calls_end(void **state) {
  drained = false;
  start("Wait");
  client_request(&client, "hello");
  run_until(drain_then_reply);
  assert_int_equal(client.code, MW_CODE_OK);
  assert_string_equal(client.last, "done");
  client_release(&client);
}

static void listen_names_a_bad_address(void **state) {
  static const char *const addresses[] = {"", "nowhere", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:x"};
  for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
    struct mw_err err = MW_ERR_INIT;
    assert_int_equal(contract.engine->ops->listen(contract.engine, addresses[i], &err), MW_EINVAL);
    assert_non_null(strstr(mw_err_text(&err), "expected HOST:PORT"));
    mw_err_fini(&err);
  }
}

static void a_shared_socket_is_borrowed(void **state) {
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
  socklen_t size = sizeof any;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  assert_int_equal(bind(fd, (struct sockaddr *)&any, size), 0);
  assert_int_equal(listen(fd, 16), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&any, &size), 0);
  assert_int_equal(contract.engine->ops->accept_from(contract.engine, fd, "shared", NULL), 0);

  char target[32];
  struct mw_channel *first = contract.channel;
  struct mw_channel_config config = {.target = target};
  snprintf(target, sizeof target, "127.0.0.1:%u", ntohs(any.sin_port));
  assert_int_equal(kind->channels->channels->open(contract.client, &config, &contract.channel, NULL), 0);
  start("Echo");
  client_request(&client, "hello");
  run_until(client_is_done);
  assert_int_equal(client.code, MW_CODE_OK);
  client_release(&client);
  kind->channels->channels->close(first);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&any, &size), 0); /* still open */
  close(fd);
}

static void files_of_tls_must_exist(void **state) {
  struct mw_tls_config tls = {.cert_file = "/nowhere/cert.pem", .key_file = "/nowhere/key.pem"};
  struct mw_engine_config config = {.loop = &contract.loop, .dispatch = &contract.dispatch, .tls = &tls};
  struct mw_engine *engine = NULL;
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(kind->server->open(&config, &engine, &err), MW_EINVAL);
  assert_null(engine);
  assert_non_null(strstr(mw_err_text(&err), "/nowhere/cert.pem"));
  mw_err_fini(&err);
}

static void an_engine_may_close_unused(void **state) {
  struct mw_engine_config config = {.loop = &contract.loop, .dispatch = &contract.dispatch};
  struct mw_engine *engine;
  assert_int_equal(kind->server->open(&config, &engine, NULL), 0);
  engine->ops->close(engine);
}

#define CALL(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define LIFE(name) cmocka_unit_test_setup_teardown(name, setup_life, teardown)

static const struct CMUnitTest calls[] = {
    CALL(a_unary_call_returns_its_reply),
    CALL(an_empty_message_is_a_message),
    CALL(a_large_message_arrives_whole),
    CALL(a_server_stream_keeps_its_order),
    CALL(a_server_stream_may_be_empty),
    CALL(an_upload_is_counted),
    CALL(an_upload_may_be_empty),
    CALL(a_chat_goes_to_and_fro),
    CALL(many_calls_run_at_once),
    CALL(a_call_has_its_path_peer_and_deadline),
    CALL(without_a_deadline_it_is_never),
    CALL(metadata_and_status_go_both_ways),
    CALL(headers_may_go_first),
    CALL(an_unknown_method_is_unimplemented),
    CALL(a_method_with_one_request_gets_one),
    CALL(a_message_over_the_limit_is_refused),
    CALL(a_draining_dispatch_refuses_calls),
    CALL(a_read_after_the_only_message_ends),
    CALL(a_handler_may_begin_with_its_request),
    CALL(a_call_that_ends_before_its_request_runs_no_handler),
    CALL(messages_wait_for_a_read),
    CALL(a_deadline_ends_the_call_on_both_sides),
    CALL(a_deadline_in_the_past_ends_the_call),
    CALL(a_cancel_reaches_the_handler),
    CALL(a_release_cancels),
    CALL(a_cancelled_call_is_finished_by_its_handler),
    CALL(the_server_may_cancel),
    CALL(a_handler_may_end_before_the_request_does),
    CALL(a_stream_that_nobody_reads_waits),
    CALL(an_upload_that_nobody_reads_waits),
    CALL(an_engine_may_close_unused),
};

/* Of engines that listen. */
static const struct CMUnitTest lives[] = {
    LIFE(run_serves_until_stop),      LIFE(stop_cancels_live_calls),     LIFE(drain_lets_live_calls_end),
    LIFE(listen_names_a_bad_address), LIFE(a_shared_socket_is_borrowed), LIFE(files_of_tls_must_exist),
};

int main(void) {
  int failed = 0;
  for (size_t i = 0; contract_kinds[i]; i++) {
    kind = contract_kinds[i];
    failed += cmocka_run_group_tests_name(kind->server->name, calls, NULL, NULL);
    if (kind->server->listen) failed += cmocka_run_group_tests_name(kind->server->name, lives, NULL, NULL);
  }
  return failed;
}
