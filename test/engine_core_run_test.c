/* The engine's run: the loop inside the queue, other threads, drain and stop, TLS. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core_fixture.h"
#include "tls_files.h"

static struct server server;
static struct mw_channel *channel;

static int setup(void **state) {
  server_open(&server, NULL);
  mw_core_server_start(server.core);
  channel = channel_open(&server, NULL);
  return 0;
}

static int teardown(void **state) {
  mw_core_channel_ops.close(channel);
  server_close(&server);
  return 0;
}

/* ---- the loop inside the queue ---- */

/* A turn may wait as long as the test does, so the tested event must wake the thread. */
#define WOKEN_UNTIL(condition) TURN_UNTIL(mw_core_poll_turn(&server.core->poll, WAIT_MS), condition)

static int64_t fired_at;

static void on_fire(void *arg) { fired_at = mw_clock_mono(); }

static void a_timer_fires_on_time_in_an_idle_queue(void **state) {
  fired_at = 0;
  int64_t due = mw_clock_mono() + 20 * (int64_t)MW_NS_PER_MS;
  assert_non_null(mw_timer_start(&server.loop, 20 * (int64_t)MW_NS_PER_MS, on_fire, NULL));
  WOKEN_UNTIL(fired_at);
  assert_true(fired_at >= due);
  assert_true(fired_at < due + 1000 * (int64_t)MW_NS_PER_MS);
}

static bool stat_done;

static void on_stat(uv_fs_t *request) { stat_done = true; }

static void a_file_operation_wakes_the_queue(void **state) {
  uv_fs_t request;
  stat_done = false;
  assert_int_equal(uv_fs_stat(&server.loop.uv, &request, "/", on_stat), 0);
  WOKEN_UNTIL(stat_done);
  uv_fs_req_cleanup(&request);
}

static unsigned readable;

static void on_readable(uv_poll_t *handle, int status, int events) {
  char byte;
  int fd;
  uv_fileno((uv_handle_t *)handle, &fd);
  if (read(fd, &byte, 1) == 1) readable++;
}

static void a_descriptor_wakes_the_queue_again_and_again(void **state) {
  int fds[2];
  assert_int_equal(pipe(fds), 0);
  uv_poll_t handle;
  uv_poll_init(&server.loop.uv, &handle, fds[0]);
  uv_poll_start(&handle, UV_READABLE, on_readable);
  readable = 0;
  for (unsigned i = 1; i <= 20; i++) {
    assert_int_equal(write(fds[1], "x", 1), 1);
    WOKEN_UNTIL(readable == i);
  }
  uv_close((uv_handle_t *)&handle, NULL);
  uv_run(&server.loop.uv, UV_RUN_NOWAIT);
  close(fds[0]);
  close(fds[1]);
}

enum { THREADS = 4, POSTS = 2000 };

struct numbered {
  struct mw_post post;
  unsigned thread, number;
};

static struct numbered posts[THREADS][POSTS];
static unsigned posted, next_of[THREADS];

static void on_post(struct mw_post *post) {
  struct numbered *numbered = MW_CONTAINER(post, struct numbered, post);
  assert_int_equal(numbered->number, next_of[numbered->thread]++);
  posted++;
}

static void *post_all(void *arg) {
  struct numbered *mine = arg;
  for (unsigned i = 0; i < POSTS; i++) {
    mine[i].post.run = on_post;
    mine[i].number = i;
    mw_loop_post(&server.loop, &mine[i].post);
  }
  return NULL;
}

static void posts_of_other_threads_wake_the_queue(void **state) {
  pthread_t threads[THREADS];
  posted = 0;
  memset(next_of, 0, sizeof next_of);
  for (unsigned i = 0; i < THREADS; i++) {
    for (unsigned n = 0; n < POSTS; n++) posts[i][n].thread = i;
    assert_int_equal(pthread_create(&threads[i], NULL, post_all, posts[i]), 0);
  }
  WOKEN_UNTIL(posted == THREADS * POSTS);
  for (unsigned i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}

static void a_post_after_the_engine_has_closed_runs_with_the_loop(void **state) {
  struct numbered one = {.post = {.run = on_post}};
  server_open(&server, NULL);
  posted = next_of[0] = 0;
  mw_loop_post(&server.loop, &one.post);
  server.engine->ops->close(server.engine);
  uv_run(&server.loop.uv, UV_RUN_NOWAIT);
  assert_int_equal(posted, 1);
  mw_loop_fini(&server.loop);
  mw_dispatch_fini(&server.dispatch);
  mw_router_fini(&server.router);
}

/* ---- drain and stop ---- */

static void stop_now(void *arg) { server.engine->ops->stop(server.engine); }

static void a_drained_server_finishes_what_runs_and_takes_nothing_new(void **state) {
  struct client running, late;
  client_start(&running, channel, "/t.T/Wait");
  client_request(&running, "hello");
  UNTIL(&server, script.waiting);
  server.engine->ops->drain(server.engine);
  for (int i = 0; i < 5; i++) mw_core_poll_turn(&server.core->poll, 5);
  assert_int_equal(running.done, 0);
  client_start(&late, channel, "/t.T/Echo");
  client_request(&late, "hello");
  UNTIL(&server, late.done);
  assert_int_equal(late.code, MW_CODE_UNAVAILABLE);
  reply(script.waiting, mw_slice_str("done"));
  UNTIL(&server, running.done);
  assert_int_equal(running.code, MW_CODE_OK);
  assert_string_equal(running.last, "done");
  UNTIL(&server, mw_core_server_is_idle(server.core));
  client_release(&running);
  client_release(&late);
}

static void a_stopped_engine_cancels_and_returns(void **state) {
  server_open(&server, NULL);
  channel = channel_open(&server, NULL);
  struct client client;
  client_start(&client, channel, "/t.T/Wait");
  client_request(&client, "hello");
  mw_timer_start(&server.loop, 100 * (int64_t)MW_NS_PER_MS, stop_now, NULL);
  server.engine->ops->run(server.engine);
  UNTIL(&server, client.done);
  assert_int_equal(client.code, MW_CODE_UNAVAILABLE);
  assert_string_equal(client.text, "the server is shutting down");
  assert_int_equal(script.cancels, 1);
  client_release(&client);
  teardown(NULL);
}

static void what_a_closed_engine_leaves_can_still_be_released(void **state) {
  server_open(&server, NULL);
  mw_core_server_start(server.core);
  channel = channel_open(&server, NULL);
  struct client client;
  client_start(&client, channel, "/t.T/Echo");
  client_request(&client, "hello");
  mw_core_poll_turn(&server.core->poll, 1);
  script.stay = true;
  server_close(&server);
  assert_null(client.ops->reserve(client.call, 1));
  client_half_close(&client);
  client_cancel(&client);
  client_release(&client);
  mw_core_channel_ops.close(channel);
}

/* Clients that connect and send no HTTP/2, or nothing. */
static void connections_that_are_no_clients_do_no_harm(void **state) {
  struct sockaddr_in address;
  uv_ip4_addr("127.0.0.1", atoi(strchr(server.address, ':') + 1), &address);
  for (int i = 0; i < 20; i++) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    if (i % 2) assert_true(write(fd, "GET / HTTP/1.1\r\n\r\n", 18) == 18);
    mw_core_poll_turn(&server.core->poll, 1);
    close(fd);
  }
  struct client client;
  client_start(&client, channel, "/t.T/Echo");
  client_request(&client, "hello");
  UNTIL(&server, client.done);
  assert_int_equal(client.code, MW_CODE_OK);
  client_release(&client);
}

static void what_cannot_be_listened_on_is_said(void **state) {
  struct sockaddr_in address;
  uv_ip4_addr("127.0.0.1", 0, &address);
  socklen_t len = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  bind(fd, (const struct sockaddr *)&address, sizeof address);
  listen(fd, 1);
  getsockname(fd, (struct sockaddr *)&address, &len);
  char taken[32], expected[96];
  snprintf(taken, sizeof taken, "127.0.0.1:%u", ntohs(address.sin_port));
  snprintf(expected, sizeof expected, "cannot listen on %s: Address already in use", taken);
  server_open(&server, NULL);
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(server.engine->ops->listen(server.engine, taken, &err), MW_EIO);
  assert_string_equal(mw_err_text(&err), expected);
  assert_int_equal(server.engine->ops->listen(server.engine, "nonsense", &err), MW_EINVAL);
  assert_non_null(strstr(mw_err_text(&err), "nonsense: expected HOST:PORT"));
  mw_err_fini(&err);
  close(fd);
  server_close(&server);
}

/* ---- sockets that workers share ---- */

/* Makes a listening Unix socket, in a folder of its own. */
static int unix_socket(struct sockaddr_un *at) {
  char dir[] = "/tmp/moonwire-unix-XXXXXX";
  assert_non_null(mkdtemp(dir));
  *at = (struct sockaddr_un){.sun_family = AF_UNIX};
  snprintf(at->sun_path, sizeof at->sun_path, "%s/socket", dir);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  assert_int_equal(bind(fd, (const struct sockaddr *)at, sizeof *at), 0);
  assert_int_equal(listen(fd, 16), 0);
  return fd;
}

static void remove_socket(int fd, struct sockaddr_un *at) {
  close(fd);
  unlink(at->sun_path);
  *strrchr(at->sun_path, '/') = '\0';
  rmdir(at->sun_path);
}

static void a_shared_socket_takes_calls_until_the_engine_drains(void **state) {
  struct sockaddr_un at;
  int fd = unix_socket(&at);
  char target[128];
  snprintf(target, sizeof target, "unix:%s", at.sun_path);
  assert_int_equal(server.engine->ops->accept_from(server.engine, fd, target, NULL), 0);
  struct mw_channel *local = channel_open(&server, &(struct mw_channel_config){.target = target});
  struct client client;
  client_start(&client, local, "/t.T/Wait");
  client_request(&client, "hello");
  UNTIL(&server, script.waiting);
  assert_string_equal(script.waiting->peer, "unix:");
  server.engine->ops->drain(server.engine);
  reply(script.waiting, mw_slice_str("done"));
  UNTIL(&server, client.done);
  assert_int_equal(client.code, MW_CODE_OK);
  client_release(&client);
  mw_core_channel_ops.close(local);
  remove_socket(fd, &at);
}

/* ---- TLS ---- */

static enum mw_code call_over(struct mw_channel_config config) {
  config.tls = true;
  config.ca_file = in_dir("server.pem");
  config.authority = "localhost";
  struct mw_channel *secure = channel_open(&server, &config);
  struct client client;
  client_start(&client, secure, "/t.T/Echo");
  client_request(&client, "hello");
  UNTIL(&server, client.done);
  enum mw_code code = client.code;
  client_release(&client);
  mw_core_channel_ops.close(secure);
  return code;
}

static void tls_with_and_without_client_certificates(void **state) {
  make_certificates();
  struct mw_tls_config tls = {.cert_file = in_dir("server.pem"), .key_file = in_dir("server.key")};
  server_open(&server, &(struct mw_engine_config){.tls = &tls});
  mw_core_server_start(server.core);
  assert_int_equal(call_over((struct mw_channel_config){0}), MW_CODE_OK);
  struct sockaddr_un at;
  int fd = unix_socket(&at);
  char target[128];
  snprintf(target, sizeof target, "unix:%s", at.sun_path);
  assert_int_equal(server.engine->ops->accept_from(server.engine, fd, target, NULL), 0);
  assert_int_equal(call_over((struct mw_channel_config){.target = target}), MW_CODE_OK);
  remove_socket(fd, &at);
  server_close(&server);

  tls.client_ca_file = in_dir("client.pem");
  server_open(&server, &(struct mw_engine_config){.tls = &tls});
  mw_core_server_start(server.core);
  struct mw_channel_config known = {.cert_file = in_dir("client.pem"), .key_file = in_dir("client.key")};
  assert_int_equal(call_over(known), MW_CODE_OK);
  assert_int_equal(call_over((struct mw_channel_config){0}), MW_CODE_UNAVAILABLE);
  server_close(&server);
  remove_certificates();
}

static void tls_files_that_do_not_fit_are_named(void **state) {
  make_certificates();
  struct mw_loop loop;
  struct mw_dispatch dispatch;
  struct mw_engine *engine;
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(mw_loop_init(&loop, NULL), 0);
  mw_dispatch_init(&dispatch, "core", 0);
  struct mw_tls_config tls = {.cert_file = in_dir("missing.pem"), .key_file = in_dir("server.key")};
  struct mw_engine_config config = {.loop = &loop, .dispatch = &dispatch, .tls = &tls};
  char expected[256];
  snprintf(expected, sizeof expected, "TLS certificate: %s: No such file or directory", tls.cert_file);
  assert_int_equal(mw_engine_core.open(&config, &engine, &err), MW_EINVAL);
  assert_string_equal(mw_err_text(&err), expected);

  tls.cert_file = in_dir("client.pem"); /* does not match the key */
  snprintf(expected, sizeof expected, "TLS key: %s: is not the key of the certificate %s", tls.key_file, tls.cert_file);
  assert_int_equal(mw_engine_core.open(&config, &engine, &err), MW_EINVAL);
  assert_string_equal(mw_err_text(&err), expected);
  mw_loop_fini(&loop);
  mw_dispatch_fini(&dispatch);
  mw_err_fini(&err);
  remove_certificates();
}

static void a_renewed_certificate_is_used_without_a_restart(void **state) {
  make_certificates();
  struct mw_tls_config tls = {.cert_file = in_dir("server.pem"), .key_file = in_dir("server.key")};
  server_open(&server, &(struct mw_engine_config){.tls = &tls});
  mw_core_server_start(server.core);
  assert_int_equal(call_over((struct mw_channel_config){0}), MW_CODE_OK);
  make_server_certificate();
  assert_int_equal(call_over((struct mw_channel_config){0}), MW_CODE_OK); /* trusts only the new certificate */
  server_close(&server);
  remove_certificates();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_timer_fires_on_time_in_an_idle_queue),
      TEST(a_file_operation_wakes_the_queue),
      TEST(a_descriptor_wakes_the_queue_again_and_again),
      TEST(posts_of_other_threads_wake_the_queue),
      cmocka_unit_test(a_post_after_the_engine_has_closed_runs_with_the_loop),
      TEST(a_drained_server_finishes_what_runs_and_takes_nothing_new),
      cmocka_unit_test(a_stopped_engine_cancels_and_returns),
      cmocka_unit_test(what_a_closed_engine_leaves_can_still_be_released),
      TEST(connections_that_are_no_clients_do_no_harm),
      cmocka_unit_test(what_cannot_be_listened_on_is_said),
      TEST(a_shared_socket_takes_calls_until_the_engine_drains),
      cmocka_unit_test(tls_with_and_without_client_certificates),
      cmocka_unit_test(tls_files_that_do_not_fit_are_named),
      cmocka_unit_test(a_renewed_certificate_is_used_without_a_restart),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
