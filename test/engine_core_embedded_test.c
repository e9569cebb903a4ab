/* The channels of an embedded engine core: uv_run() runs the loop, and the engine's thread waits in the completion
 * queue. The server has a thread of its own, so that nothing else can wake the loop. */
#include <dirent.h>

#include "core_fixture.h"
#include "failmalloc.h"

/* ---- the server's thread ---- */

static struct server server;
static pthread_t server_thread;
static struct mw_post stop_post;

static void on_stop(struct mw_post *post) { server.engine->ops->stop(server.engine); }

static void *serve(void *arg) {
  server.engine->ops->run(server.engine);
  return NULL;
}

static int start_server(void **state) {
  server_open(&server, NULL);
  script.down = 1000;
  assert_int_equal(pthread_create(&server_thread, NULL, serve, NULL), 0);
  return 0;
}

static int stop_server(void **state) {
  stop_post.run = on_stop;
  mw_loop_post(&server.loop, &stop_post);
  pthread_join(server_thread, NULL);
  server_close(&server);
  return 0;
}

/* ---- the embedded engine ---- */

struct guest {
  struct mw_loop loop;
  struct mw_engine *engine;
  struct mw_channel *channel;
};

static struct guest guest;

static void guest_open(struct guest *guest) {
  assert_int_equal(mw_loop_init(&guest->loop, NULL), 0);
  struct mw_engine_config config = {.loop = &guest->loop};
  assert_int_equal(mw_engine_core.open(&config, &guest->engine, NULL), 0);
  guest->channel = NULL;
}

static int open_channel(struct guest *guest) {
  struct mw_channel_config config = {.target = server.address};
  return guest->engine->ops->channels->open(guest->engine, &config, &guest->channel, NULL);
}

static void guest_close(struct guest *guest) {
  if (guest->channel) mw_core_channel_ops.close(guest->channel);
  guest->engine->ops->close(guest->engine);
  mw_loop_fini(&guest->loop);
}

static int setup(void **state) {
  start_server(state);
  guest_open(&guest);
  assert_int_equal(open_channel(&guest), 0);
  return 0;
}

/* No call may be left. */
static int teardown(void **state) {
  guest_close(&guest);
  return stop_server(state);
}

static void on_late(void *arg) { *(bool *)arg = true; }

/* Runs the loop until `condition` holds. */
#define RUN_UNTIL(condition)                                                                               \
  do {                                                                                                     \
    bool late = false;                                                                                     \
    struct mw_timer *timer = mw_timer_start(&guest.loop, WAIT_MS * (int64_t)MW_NS_PER_MS, on_late, &late); \
    while (!(condition)) {                                                                                 \
      uv_run(&guest.loop.uv, UV_RUN_ONCE);                                                                 \
      if (late) fail_msg("%s:%d: waited for %s", __FILE__, __LINE__, #condition);                          \
    }                                                                                                      \
    mw_timer_stop(timer);                                                                                  \
  } while (0)

static unsigned threads(void) {
  unsigned n = 0;
  DIR *dir = opendir("/proc/self/task");
  for (struct dirent *entry; (entry = readdir(dir));) n += entry->d_name[0] != '.';
  closedir(dir);
  return n;
}

/* ---- opening ---- */

static void until_the_first_channel_there_is_no_thread(void **state) {
  struct guest idle;
  unsigned before = threads();
  guest_open(&idle);
  assert_int_equal(threads(), before);
  assert_null(mw_core_engine_of(idle.engine)->guest);
  guest_close(&idle);
}

static void a_channel_that_cannot_be_costs_nothing(void **state) {
  struct guest idle;
  struct mw_channel_config config = {.target = ""};
  struct mw_err err = MW_ERR_INIT;
  guest_open(&idle);
  assert_int_equal(mw_core_channel_ops.open(idle.engine, &config, &idle.channel, &err), MW_EINVAL);
  assert_string_equal(mw_err_text(&err), "channel: no target, expected \"host:port\"");
  assert_null(mw_core_engine_of(idle.engine)->guest);
  mw_err_fini(&err);
  guest_close(&idle);
}

static int open_and_close(void *arg) {
  struct guest *guest = arg;
  int rc = open_channel(guest);
  if (rc == 0) mw_core_channel_ops.close(guest->channel);
  guest->channel = NULL;
  return rc;
}

static void without_memory_there_is_no_channel(void **state) {
  struct guest poor;
  guest_open(&poor);
  failmalloc_sweep(open_and_close, &poor);
  assert_int_equal(open_channel(&poor), 0);
  guest_close(&poor);
}

/* ---- calls ---- */

static void calls_of_all_types(void **state) {
  static const struct {
    const char *path;
    unsigned messages;
  } cases[] = {{"/t.T/Echo", 1}, {"/t.T/Down", 1000}, {"/t.T/Up", 1}, {"/t.T/Chat", 1}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct client client;
    client_start(&client, guest.channel, cases[i].path);
    client_request(&client, "hello");
    RUN_UNTIL(client.done);
    assert_int_equal(client.code, MW_CODE_OK);
    assert_int_equal(client.messages, cases[i].messages);
    client_release(&client);
  }
}

static struct client late_client;

static void start_late(void *arg) {
  client_start(&late_client, guest.channel, "/t.T/Echo");
  client_request(&late_client, "hello");
}

static void a_call_that_another_callback_starts_is_sent_before_the_loop_waits(void **state) {
  late_client = (struct client){.done = 0};
  mw_timer_start(&guest.loop, MW_NS_PER_MS, start_late, NULL);
  RUN_UNTIL(late_client.done);
  assert_int_equal(late_client.code, MW_CODE_OK);
  client_release(&late_client);
}

static void on_prepare(uv_prepare_t *prepare) {
  uv_prepare_stop(prepare);
  start_late(NULL);
}

/* libuv runs the handles of a kind in the reverse order of their starts. */
static void so_is_one_that_is_started_right_before_the_loop_waits(void **state) {
  static uv_prepare_t prepare; /* closed with the loop */
  late_client = (struct client){.done = 0};
  guest_open(&guest);
  uv_prepare_init(&guest.loop.uv, &prepare);
  uv_prepare_start(&prepare, on_prepare);
  assert_int_equal(open_channel(&guest), 0);
  RUN_UNTIL(late_client.done);
  assert_int_equal(late_client.code, MW_CODE_OK);
  client_release(&late_client);
}

static void messages_go_back_and_forth(void **state) {
  struct client client;
  client_start(&client, guest.channel, "/t.T/Chat");
  client_read(&client);
  for (unsigned i = 1; i <= 200; i++) {
    client_send(&client, "ping", 4);
    RUN_UNTIL(client.messages == i);
  }
  client_half_close(&client);
  RUN_UNTIL(client.done);
  assert_int_equal(client.code, MW_CODE_OK);
  client_release(&client);
}

static void deadlines_and_cancels_end_a_call(void **state) {
  struct mw_client_request request = {.path = mw_slice_str("/t.T/Wait"),
                                      .deadline = mw_clock_mono() + 20 * (int64_t)MW_NS_PER_MS};
  struct client client;
  client_start_with(&client, guest.channel, &request);
  client_request(&client, "hello");
  RUN_UNTIL(client.done);
  assert_int_equal(client.code, MW_CODE_DEADLINE_EXCEEDED);
  client_release(&client);

  client_start(&client, guest.channel, "/t.T/Chat");
  client_read(&client);
  client_send(&client, "hello", 5);
  RUN_UNTIL(client.messages == 1);
  client_cancel(&client);
  RUN_UNTIL(client.done);
  assert_int_equal(client.code, MW_CODE_CANCELLED);
  client_release(&client);
}

/* ---- closing ---- */

static void a_closed_channel_cancels_its_calls(void **state) {
  struct client client;
  client_start(&client, guest.channel, "/t.T/Wait");
  client_request(&client, "hello");
  uv_run(&guest.loop.uv, UV_RUN_NOWAIT);
  mw_core_channel_ops.close(guest.channel);
  guest.channel = NULL;
  RUN_UNTIL(client.done);
  assert_int_equal(client.code, MW_CODE_CANCELLED);
  client_release(&client);
}

/* With more calls than fit into a batch, in all states. */
static void calls_that_a_closed_engine_leaves_say_nothing_more_and_can_be_released(void **state) {
  enum { CALLS = 100 };
  static struct client clients[CALLS];
  static unsigned done[CALLS];
  struct guest closing;
  for (int turns = 0; turns < 4; turns++) {
    guest_open(&closing);
    assert_int_equal(open_channel(&closing), 0);
    for (int i = 0; i < CALLS; i++) {
      client_start(&clients[i], closing.channel, i % 2 ? "/t.T/Echo" : "/t.T/Wait");
      client_request(&clients[i], "hello");
    }
    for (int i = 0; i < turns; i++) uv_run(&closing.loop.uv, i == 0 ? UV_RUN_NOWAIT : UV_RUN_ONCE);
    for (int i = 0; i < CALLS; i++) done[i] = clients[i].done;
    closing.engine->ops->close(closing.engine);
    mw_loop_fini(&closing.loop);
    for (int i = 0; i < CALLS; i++) {
      assert_int_equal(clients[i].done, done[i]);
      client_release(&clients[i]);
    }
    mw_core_channel_ops.close(closing.channel);
  }
}

/* ---- load ---- */

enum { LOADS = 3, LIVE = 40, ENOUGH = 3000 };

struct load {
  struct guest guest;
  pthread_t thread;
  unsigned started, ended, wrong;
  bool closing;
  struct one {
    struct load *load;
    struct mw_client_call *call; /* NULL: none */
    unsigned kind, messages;
  } ones[LIVE];
};

enum { KIND_ECHO, KIND_GONE, KIND_CANCELLED, KIND_LATE, KIND_CHAT, KINDS };

static void start_one(struct one *one);

static void one_headers(void *user, const struct mw_metadata *headers) {}
static void one_writable(void *user) {}

static void one_message(void *user, struct mw_slice bytes) {
  struct one *one = user;
  one->messages++;
  if (one->kind == KIND_CHAT && one->messages == 3) {
    mw_core_channel_ops.cancel(one->call);
    return;
  }
  if (one->kind == KIND_CHAT) {
    memcpy(mw_core_channel_ops.reserve(one->call, bytes.len), bytes.data, bytes.len);
    mw_core_channel_ops.send(one->call);
  }
  mw_core_channel_ops.read(one->call);
}

static void end_one(struct one *one) {
  struct load *load = one->load;
  mw_core_channel_ops.release(one->call);
  one->call = NULL;
  if (++load->ended == ENOUGH) uv_stop(&load->guest.loop.uv);
  if (load->ended < ENOUGH) start_one(one);
}

static void one_done(void *user, const struct mw_status *status, const struct mw_metadata *trailers) {
  static const enum mw_code expected[] = {[KIND_ECHO] = MW_CODE_OK,
                                          [KIND_CANCELLED] = MW_CODE_CANCELLED,
                                          [KIND_LATE] = MW_CODE_DEADLINE_EXCEEDED,
                                          [KIND_CHAT] = MW_CODE_CANCELLED};
  struct one *one = user;
  if (one->load->closing || one->kind == KIND_GONE || status->code != expected[one->kind]) one->load->wrong++;
  if (one->kind == KIND_ECHO && one->messages != 1) one->load->wrong++;
  end_one(one);
}

static const struct mw_client_events one_events = {one_headers, one_message, one_writable, one_done};

static void go(void *arg) { end_one(arg); }

static void start_one(struct one *one) {
  static const char *const paths[] = {"/t.T/Echo", "/t.T/Wait", "/t.T/Echo", "/t.T/Wait", "/t.T/Chat"};
  const struct mw_channel_ops *ops = &mw_core_channel_ops;
  struct load *load = one->load;
  one->kind = load->started++ % KINDS;
  one->messages = 0;
  int64_t deadline = one->kind == KIND_LATE ? mw_clock_mono() + 3 * (int64_t)MW_NS_PER_MS : MW_NEVER;
  struct mw_client_request request = {.path = mw_slice_str(paths[one->kind]), .deadline = deadline};
  ops->start(load->guest.channel, &request, &one_events, one, &one->call, NULL);
  memcpy(ops->reserve(one->call, 5), "hello", 5);
  ops->send(one->call);
  if (one->kind != KIND_CHAT) ops->half_close(one->call);
  ops->read(one->call);
  if (one->kind == KIND_CANCELLED) ops->cancel(one->call);
  if (one->kind == KIND_GONE) mw_timer_start(&load->guest.loop, load->started % 3 * MW_NS_PER_MS, go, one);
}

/* Ends with most of its calls still live. */
static void *run_load(void *arg) {
  struct load *load = arg;
  guest_open(&load->guest);
  open_channel(&load->guest);
  for (int i = 0; i < LIVE; i++) {
    load->ones[i].load = load;
    start_one(&load->ones[i]);
  }
  uv_run(&load->guest.loop.uv, UV_RUN_DEFAULT);
  load->closing = true;
  load->guest.engine->ops->close(load->guest.engine);
  for (int i = 0; i < LIVE; i++) {
    if (load->ones[i].call) mw_core_channel_ops.release(load->ones[i].call);
    load->ones[i].call = NULL;
  }
  mw_core_channel_ops.close(load->guest.channel);
  mw_loop_fini(&load->guest.loop);
  return NULL;
}

static void thousands_of_calls_end_as_they_should_on_several_threads(void **state) {
  static struct load loads[LOADS];
  memset(loads, 0, sizeof loads);
  for (int i = 0; i < LOADS; i++) assert_int_equal(pthread_create(&loads[i].thread, NULL, run_load, &loads[i]), 0);
  for (int i = 0; i < LOADS; i++) {
    pthread_join(loads[i].thread, NULL);
    assert_int_equal(loads[i].wrong, 0);
    assert_true(loads[i].ended >= ENOUGH);
  }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(until_the_first_channel_there_is_no_thread),
      cmocka_unit_test(a_channel_that_cannot_be_costs_nothing),
      TEST(without_memory_there_is_no_channel),
      TEST(calls_of_all_types),
      TEST(a_call_that_another_callback_starts_is_sent_before_the_loop_waits),
      cmocka_unit_test_setup_teardown(so_is_one_that_is_started_right_before_the_loop_waits, start_server, teardown),
      TEST(messages_go_back_and_forth),
      TEST(deadlines_and_cancels_end_a_call),
      TEST(a_closed_channel_cancels_its_calls),
      TEST(calls_that_a_closed_engine_leaves_say_nothing_more_and_can_be_released),
      cmocka_unit_test_setup_teardown(thousands_of_calls_end_as_they_should_on_several_threads, start_server,
                                      stop_server),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
