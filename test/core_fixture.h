/* A server and its client in one thread: an engine that serves test methods and calls itself through a channel. A test
 * turns it until a condition holds. */
#ifndef MW_TEST_CORE_FIXTURE_H
#define MW_TEST_CORE_FIXTURE_H

#include "serving_fixture.h"

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

static void server_open(struct server *server, const struct mw_engine_config *with) {
  memset(&script, 0, sizeof script);
  mw_log_set_level(MW_LOG_OFF);
  assert_int_equal(mw_loop_init(&server->loop, NULL), 0);
  mw_dispatch_init(&server->dispatch, "core", 0);
  mw_router_init(&server->router, 1);
  add_methods(&server->router);
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

/* Turns the engine until `condition` holds; fails the test after ten seconds. */
#define UNTIL(server, condition)                                                                     \
  do {                                                                                               \
    int64_t until = mw_clock_mono() + WAIT_MS * (int64_t)MW_NS_PER_MS;                               \
    while (!(condition)) {                                                                           \
      if (mw_clock_mono() > until) fail_msg("%s:%d: waited for %s", __FILE__, __LINE__, #condition); \
      mw_core_poll_turn(&(server)->core->poll, 20);                                                  \
    }                                                                                                \
  } while (0)

/* ---- the calling side ---- */

struct client {
  const struct mw_channel_ops *ops;
  struct mw_client_call *call;
  bool in_operation; /* no event may run */
  bool manual;       /* the test reads each message itself */
  unsigned headers, messages, writables, done;
  char last[256]; /* the start of the newest message */
  size_t last_len;
  enum mw_code code;
  char text[256];
  struct mw_arena arena;
  struct mw_metadata got_headers, got_trailers;
  struct mw_slice details;
  char encoding[16];   /* of the newest message, "" for none */
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

/* Opens a channel on the server's own engine. */
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

/* Sends a whole unary request. */
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
