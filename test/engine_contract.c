#include "engine_contract.h"

#include <string.h>

#include "engine/core/core.h"
#include "engine/core/engine.h"
#include "engine/http/http.h"
#include "engine/inproc/inproc.h"

/* ---- the kinds ---- */

static void on_guard(uv_timer_t *guard) {}

/* Of engines that libuv runs. */
static void turn_loop(struct contract *contract) {
  uv_timer_start(&contract->guard, on_guard, 20, 0);
  uv_run(&contract->loop.uv, UV_RUN_ONCE);
}

static void start_core(struct contract *contract) { mw_core_server_start(mw_core_engine_of(contract->engine)); }
static void turn_core(struct contract *contract) { mw_core_poll_turn(&mw_core_engine_of(contract->engine)->poll, 20); }

static const struct contract_kind http = {&mw_engine_http, &mw_engine_core, NULL, turn_loop};
static const struct contract_kind core = {&mw_engine_core, &mw_engine_core, start_core, turn_core};
static const struct contract_kind inproc = {&mw_engine_inproc, &mw_engine_inproc, NULL, turn_loop};

const struct contract_kind *const contract_kinds[] = {&http, &core, &inproc, NULL};

/* ---- the server ---- */

static void open_channel(struct contract *contract) {
  struct mw_engine_config config = {.loop = &contract->loop};
  struct mw_channel_config channel = {.target = contract->address, .max_receive_bytes = CONTRACT_RECEIVE};
  struct mw_err err = MW_ERR_INIT;
  contract->client = contract->engine;
  if (contract->kind->channels != contract->kind->server &&
      contract->kind->channels->open(&config, &contract->client, &err) != 0) {
    fail_msg("%s", mw_err_text(&err));
  }
  if (contract->kind->channels->channels->open(contract->client, &channel, &contract->channel, &err) != 0) {
    fail_msg("%s", mw_err_text(&err));
  }
}

void contract_open(struct contract *contract, const struct contract_kind *kind, bool started) {
  memset(&script, 0, sizeof script);
  mw_log_set_level(MW_LOG_OFF);
  *contract = (struct contract){.kind = kind};
  assert_int_equal(mw_loop_init(&contract->loop, NULL), 0);
  uv_timer_init(&contract->loop.uv, &contract->guard);
  mw_dispatch_init(&contract->dispatch, kind->server->name, 0);
  mw_router_init(&contract->router, 1);
  add_methods(&contract->router);
  contract->dispatch.router = &contract->router;
  struct mw_engine_config config = {
      .loop = &contract->loop, .dispatch = &contract->dispatch, .max_receive_bytes = CONTRACT_RECEIVE};
  struct mw_err err = MW_ERR_INIT;
  if (kind->server->open(&config, &contract->engine, &err) != 0) fail_msg("%s", mw_err_text(&err));
  assert_ptr_equal(contract->engine->ops, kind->server);
  snprintf(contract->address, sizeof contract->address, "127.0.0.1:%u", free_port());
  if (kind->server->listen && kind->server->listen(contract->engine, contract->address, &err) != 0) {
    fail_msg("%s", mw_err_text(&err));
  }
  if (started && kind->start) kind->start(contract);
  open_channel(contract);
}

void contract_close(struct contract *contract) {
  contract->kind->channels->channels->close(contract->channel);
  if (contract->client != contract->engine) contract->kind->channels->close(contract->client);
  contract->kind->server->close(contract->engine);
  uv_close((uv_handle_t *)&contract->guard, NULL);
  mw_loop_fini(&contract->loop);
  assert_int_equal(contract->dispatch.live, 0);
  mw_dispatch_fini(&contract->dispatch);
  mw_router_fini(&contract->router);
}

/* ---- the client ---- */

#define DO(client, operation)       \
  do {                              \
    (client)->in_operation = true;  \
    operation;                      \
    (client)->in_operation = false; \
  } while (0)

static void keep_value(char *out, size_t size, const struct mw_metadata *metadata, const char *key) {
  for (size_t i = 0; i < metadata->len; i++) {
    const struct mw_metadata_entry *entry = &metadata->entries[i];
    if (mw_slice_eq_str(entry->key, key)) {
      snprintf(out, size, "%.*s", (int)entry->value.len, (const char *)entry->value.data);
    }
  }
}

static void on_headers(void *user, const struct mw_metadata *headers) {
  struct client *client = user;
  assert_false(client->in_operation);
  assert_int_equal(client->messages, 0);
  client->headers++;
  keep_value(client->header, sizeof client->header, headers, "h-key");
}

static void on_message(void *user, struct mw_slice bytes) {
  struct client *client = user;
  assert_false(client->in_operation);
  assert_int_equal(client->done, 0);
  client->messages++;
  client->bytes += bytes.len;
  snprintf(client->last, sizeof client->last, "%.*s", (int)bytes.len, bytes.len ? (const char *)bytes.data : "");
  if (!client->manual) client_read(client);
}

static void on_writable(void *user) {
  struct client *client = user;
  assert_false(client->in_operation);
  client->writables++;
}

static void on_done(void *user, const struct mw_status *status, const struct mw_metadata *trailers) {
  struct client *client = user;
  assert_false(client->in_operation);
  client->done++;
  client->code = status->code;
  client->details = status->details.len;
  snprintf(client->text, sizeof client->text, "%.*s", (int)status->message.len,
           status->message.len ? (const char *)status->message.data : "");
  keep_value(client->trailer, sizeof client->trailer, trailers, "t-key");
}

static const struct mw_client_events events = {on_headers, on_message, on_writable, on_done};

void client_start(struct client *client, struct contract *contract, const char *name, int64_t deadline,
                  const struct mw_metadata *metadata) {
  char path[64];
  snprintf(path, sizeof path, name[0] == '/' ? "%s" : "/t.T/%s", name);
  struct mw_client_request request = {.path = mw_slice_str(path), .deadline = deadline, .metadata = metadata};
  *client = (struct client){.ops = contract->kind->channels->channels};
  DO(client,
     assert_int_equal(client->ops->start(contract->channel, &request, &events, client, &client->call, NULL), 0));
}

bool client_send(struct client *client, const void *data, size_t len) {
  bool more;
  uint8_t *out;
  DO(client, out = client->ops->reserve(client->call, len));
  assert_non_null(out);
  if (len > 0) memcpy(out, data, len);
  DO(client, more = client->ops->send(client->call));
  return more;
}

void client_half_close(struct client *client) { DO(client, client->ops->half_close(client->call)); }
void client_read(struct client *client) { DO(client, client->ops->read(client->call)); }
void client_cancel(struct client *client) { DO(client, client->ops->cancel(client->call)); }
void client_release(struct client *client) { DO(client, client->ops->release(client->call)); }

void client_request(struct client *client, const char *message) {
  client_send(client, message, strlen(message));
  client_half_close(client);
  client_read(client);
}
