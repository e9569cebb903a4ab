/* A server and its client in one thread: an engine that serves test methods and calls itself through a channel, turned
 * by hand until what a test waits for has happened. */
#ifndef MW_TEST_CORE_FIXTURE_H
#define MW_TEST_CORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "engine/core/call.h"
#include "engine/core/client_call.h"
#include "engine/core/core.h"

enum { WAIT_MS = 10000, PENDING = 64 };

/* ---- the serving side ---- */

struct server {
  struct mw_loop loop;
  struct mw_dispatch dispatch;
  struct mw_router router;
  struct mw_engine *engine;
  struct mw_core_engine *core;
  char address[32];
};

/* What the handlers did and are told to do. */
struct script {
  unsigned starts, messages, ends, writables, cancels;
  enum mw_code cancel_code;
  char cancel_text[128];
  struct mw_call *waiting; /* the last call of Wait or Open; NULL once it ended */
  bool stay;               /* a cancelled call is not finished by its handler: the test does it */
  const char *encoding;    /* of the last request */
  const char *compression; /* that Echo and Down ask for; NULL for nothing */
  bool plain;              /* Down leaves every second message as it is */
  uint32_t down;           /* messages that Down sends */
  uint32_t down_size;
  uint32_t down_sent;
  uint64_t most_unsent;
  bool headers_first;      /* Wait sends headers at once */
};

static struct script script;

static const struct mw_status status_ok = {MW_CODE_OK, {NULL, 0}, {NULL, 0}};

static void reply(struct mw_call *call, struct mw_slice bytes) {
  uint8_t *out = mw_call_reserve(call, bytes.len);
  assert_non_null(out);
  if (bytes.len > 0) memcpy(out, bytes.data, bytes.len);
  mw_call_fill_last(call);
  mw_call_finish(call, &status_ok);
}

static bool stream(struct mw_call *call, struct mw_slice bytes) {
  uint8_t *out = mw_call_reserve(call, bytes.len);
  assert_non_null(out);
  if (bytes.len > 0) memcpy(out, bytes.data, bytes.len);
  bool more = script.plain && call->sent % 2 == 1 ? mw_call_send_plain(call) : mw_call_send(call);
  if (call->unsent > script.most_unsent) script.most_unsent = call->unsent;
  return more;
}

static void h_start(struct mw_call *call) {
  script.starts++;
  mw_call_read(call);
}

static void h_end(struct mw_call *call) { script.ends++; }
static void h_writable(struct mw_call *call) { script.writables++; }

static void h_cancelled(struct mw_call *call, struct mw_status status) {
  script.cancels++;
  script.cancel_code = status.code;
  snprintf(script.cancel_text, sizeof script.cancel_text, "%.*s", (int)status.message.len,
           (const char *)status.message.data);
  if (script.stay) return;
  if (script.waiting == call) script.waiting = NULL;
  mw_call_finish(call, &status);
}

static void echo_message(struct mw_call *call, struct mw_slice bytes) {
  script.messages++;
  script.encoding = call->request_encoding;
  if (script.compression) mw_call_set_compression(call, script.compression);
  reply(call, bytes);
}

static void wait_message(struct mw_call *call, struct mw_slice bytes) {
  script.messages++;
  script.waiting = call;
  if (script.headers_first) mw_call_send_headers(call);
}

/* Gives the request's metadata back, as headers those that start with "h-", as trailers the others. */
static void meta_message(struct mw_call *call, struct mw_slice bytes) {
  for (size_t i = 0; i < call->request.len; i++) {
    struct mw_metadata_entry *entry = &call->request.entries[i];
    if (mw_slice_eq_str(entry->key, "user-agent")) continue;
    struct mw_metadata *to = entry->key.data[0] == 'h' ? &call->headers : &call->trailers;
    assert_int_equal(mw_metadata_add(to, &call->arena, entry->key, entry->value), 0);
  }
  struct mw_status status = {MW_CODE_NOT_FOUND, mw_slice_str("gr\xc3\xbc\xc3\x9f dich, 100%\n"),
                             mw_slice("\x08\x05\x00\xff", 4)};
  mw_call_finish(call, &status);
}

static void down_more(struct mw_call *call) {
  static uint8_t filler[65536];
  while (script.down_sent < script.down) {
    script.down_sent++;
    memcpy(filler, &script.down_sent, sizeof script.down_sent);
    if (!stream(call, mw_slice(filler, script.down_size ? script.down_size : 4))) return;
  }
  mw_call_finish(call, &status_ok);
}

static void down_message(struct mw_call *call, struct mw_slice bytes) {
  if (script.compression) mw_call_set_compression(call, script.compression);
  down_more(call);
}

static void down_writable(struct mw_call *call) {
  script.writables++;
  down_more(call);
}

static void up_message(struct mw_call *call, struct mw_slice bytes) {
  script.messages++;
  mw_call_read(call);
}

static void up_end(struct mw_call *call) {
  char text[32];
  int len = snprintf(text, sizeof text, "%llu", (unsigned long long)call->received);
  reply(call, mw_slice(text, (size_t)len));
}

static void chat_message(struct mw_call *call, struct mw_slice bytes) {
  script.messages++;
  stream(call, bytes);
  mw_call_read(call);
}

static void chat_end(struct mw_call *call) { mw_call_finish(call, &status_ok); }

/* Reads nothing and waits. */
static void open_start(struct mw_call *call) {
  script.starts++;
  script.waiting = call;
}

static const struct mw_handler echo = {h_start, echo_message, h_end, h_writable, h_cancelled};
static const struct mw_handler waiter = {h_start, wait_message, h_end, h_writable, h_cancelled};
static const struct mw_handler meta = {h_start, meta_message, h_end, h_writable, h_cancelled};
static const struct mw_handler down = {h_start, down_message, h_end, down_writable, h_cancelled};
static const struct mw_handler up = {h_start, up_message, up_end, h_writable, h_cancelled};
static const struct mw_handler chat = {h_start, chat_message, chat_end, h_writable, h_cancelled};
static const struct mw_handler opener = {open_start, up_message, up_end, h_writable, h_cancelled};

static const struct {
  struct mw_method_type method;
  const struct mw_handler *handler;
} methods[] = {
    {{.name = "Echo", .path = "/t.T/Echo"}, &echo},
    {{.name = "Wait", .path = "/t.T/Wait"}, &waiter},
    {{.name = "Meta", .path = "/t.T/Meta"}, &meta},
    {{.name = "Down", .path = "/t.T/Down", .server_streaming = true}, &down},
    {{.name = "Up", .path = "/t.T/Up", .client_streaming = true}, &up},
    {{.name = "Chat", .path = "/t.T/Chat", .client_streaming = true, .server_streaming = true}, &chat},
    {{.name = "Open", .path = "/t.T/Open", .client_streaming = true}, &opener},
};

/* A port that is free now. */
static unsigned free_port(void) {
  uv_loop_t loop;
  uv_tcp_t tcp;
  struct sockaddr_in address;
  int len = sizeof address;
  uv_loop_init(&loop);
  uv_tcp_init(&loop, &tcp);
  uv_ip4_addr("127.0.0.1", 0, &address);
  uv_tcp_bind(&tcp, (const struct sockaddr *)&address, 0);
  uv_tcp_getsockname(&tcp, (struct sockaddr *)&address, &len);
  uv_close((uv_handle_t *)&tcp, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  uv_loop_close(&loop);
  return ntohs(address.sin_port);
}

static void server_open(struct server *server, const struct mw_engine_config *with) {
  memset(&script, 0, sizeof script);
  mw_log_set_level(MW_LOG_OFF);
  assert_int_equal(mw_loop_init(&server->loop, NULL), 0);
  mw_dispatch_init(&server->dispatch, "core", 0);
  mw_router_init(&server->router, 1);
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
    assert_int_equal(mw_router_add(&server->router, &methods[i].method, methods[i].handler, NULL), 0);
  }
  server->dispatch.router = &server->router;
  struct mw_engine_config config = with ? *with : (struct mw_engine_config){0};
  config.loop = &server->loop;
  config.dispatch = &server->dispatch;
  struct mw_err err = MW_ERR_INIT;
  if (mw_engine_core.open(&config, &server->engine, &err) != 0) fail_msg("%s", mw_err_text(&err));
  server->core = mw_core_engine_of(server->engine);
  snprintf(server->address, sizeof server->address, "127.0.0.1:%u", free_port());
  if (server->engine->ops->listen(server->engine, server->address, &err) != 0) fail_msg("%s", mw_err_text(&err));
}

static void server_close(struct server *server) {
  server->engine->ops->close(server->engine);
  mw_loop_fini(&server->loop);
  mw_dispatch_fini(&server->dispatch);
  mw_router_fini(&server->router);
}

/* Turns the engine until `condition` holds; fails the test when it does not within ten seconds. */
#define UNTIL(server, condition)                                                               \
  do {                                                                                         \
    int64_t until = mw_clock_mono() + WAIT_MS * (int64_t)MW_NS_PER_MS;                          \
    while (!(condition)) {                                                                     \
      if (mw_clock_mono() > until) fail_msg("%s:%d: waited for %s", __FILE__, __LINE__, #condition); \
      mw_core_poll_turn(&(server)->core->poll, 20);                                            \
    }                                                                                          \
  } while (0)

/* ---- the calling side ---- */

struct client {
  const struct mw_channel_ops *ops;
  struct mw_client_call *call;
  bool in_operation; /* no event may run */
  bool manual;       /* the test asks for each message */
  unsigned headers, messages, writables, done;
  char last[256];    /* the start of the newest message */
  size_t last_len;
  enum mw_code code;
  char text[256];
  struct mw_arena arena;
  struct mw_metadata got_headers, got_trailers;
  struct mw_slice details;
  char encoding[16]; /* of the newest message, "" for none */
  unsigned compressed; /* messages */
};

static void copy_metadata(struct client *client, struct mw_metadata *to, const struct mw_metadata *from) {
  for (size_t i = 0; i < from->len; i++) {
    assert_int_equal(mw_metadata_add(to, &client->arena, from->entries[i].key, from->entries[i].value), 0);
  }
}

#define DO(client, operation)       \
  do {                              \
    (client)->in_operation = true;  \
    operation;                      \
    (client)->in_operation = false; \
  } while (0)

static void client_read(struct client *client) { DO(client, client->ops->read(client->call)); }

static void c_headers(void *user, const struct mw_metadata *headers) {
  struct client *client = user;
  assert_false(client->in_operation);
  client->headers++;
  copy_metadata(client, &client->got_headers, headers);
}

static void c_message(void *user, struct mw_slice bytes) {
  struct client *client = user;
  assert_false(client->in_operation);
  assert_int_equal(client->done, 0);
  client->messages++;
  const char *encoding = client->call->encoding_seen;
  if (encoding) client->compressed++;
  snprintf(client->encoding, sizeof client->encoding, "%s", encoding ? encoding : "");
  client->last_len = bytes.len;
  size_t kept = bytes.len < sizeof client->last - 1 ? bytes.len : sizeof client->last - 1;
  if (kept > 0) memcpy(client->last, bytes.data, kept);
  client->last[kept] = '\0';
  if (!client->manual) client_read(client);
}

static void c_writable(void *user) {
  struct client *client = user;
  assert_false(client->in_operation);
  client->writables++;
}

static void c_done(void *user, const struct mw_status *status, const struct mw_metadata *trailers) {
  struct client *client = user;
  assert_false(client->in_operation);
  client->done++;
  client->code = status->code;
  snprintf(client->text, sizeof client->text, "%.*s", (int)status->message.len, (const char *)status->message.data);
  copy_metadata(client, &client->got_trailers, trailers);
  const char *data = status->details.len ? (const char *)status->details.data : "";
  char *details = mw_arena_strndup(&client->arena, data, status->details.len);
  client->details = mw_slice(details, status->details.len);
}

static const struct mw_client_events client_events = {c_headers, c_message, c_writable, c_done};

/* A channel of the server's own engine. */
__attribute__((unused)) static struct mw_channel *channel_open(struct server *server,
                                                               const struct mw_channel_config *with) {
  struct mw_channel_config config = with ? *with : (struct mw_channel_config){0};
  if (!config.target) config.target = server->address;
  struct mw_channel *channel;
  struct mw_err err = MW_ERR_INIT;
  if (server->engine->ops->channels->open(server->engine, &config, &channel, &err) != 0) {
    fail_msg("%s", mw_err_text(&err));
  }
  return channel;
}

static void client_start_with(struct client *client, struct mw_channel *channel,
                              const struct mw_client_request *request) {
  *client = (struct client){.ops = &mw_core_channel_ops};
  mw_arena_init(&client->arena, SIZE_MAX);
  DO(client, assert_int_equal(client->ops->start(channel, request, &client_events, client, &client->call, NULL), 0));
}

static void client_start(struct client *client, struct mw_channel *channel, const char *path) {
  struct mw_client_request request = {.path = mw_slice_str(path), .deadline = MW_NEVER};
  client_start_with(client, channel, &request);
}

static bool client_send(struct client *client, const void *data, size_t len) {
  bool more;
  uint8_t *out;
  DO(client, out = client->ops->reserve(client->call, len));
  assert_non_null(out);
  if (len > 0) memcpy(out, data, len);
  DO(client, more = client->ops->send(client->call));
  return more;
}

static void client_half_close(struct client *client) { DO(client, client->ops->half_close(client->call)); }
static void client_cancel(struct client *client) { DO(client, client->ops->cancel(client->call)); }

/* A whole unary request. */
static void client_request(struct client *client, const char *message) {
  client_send(client, message, strlen(message));
  client_half_close(client);
  client_read(client);
}

static void client_end(struct client *client) {
  DO(client, client->ops->release(client->call));
  mw_arena_fini(&client->arena);
}

#endif
