#include "client_fixture.h"

#include <string.h>

#define DO(client, operation)       \
  do {                              \
    (client)->in_operation = true;  \
    operation;                      \
    (client)->in_operation = false; \
  } while (0)

/* ---- events ---- */

static void copy_metadata(struct client *client, struct mw_metadata *to, const struct mw_metadata *from) {
  for (size_t i = 0; i < from->len; i++) {
    assert_int_equal(mw_metadata_add(to, &client->arena, from->entries[i].key, from->entries[i].value), 0);
  }
}

static void on_headers(void *user, const struct mw_metadata *headers) {
  struct client *client = user;
  assert_false(client->in_operation);
  assert_int_equal(client->messages, 0);
  client->headers++;
  copy_metadata(client, &client->got_headers, headers);
}

static void on_message(void *user, struct mw_slice bytes) {
  struct client *client = user;
  assert_false(client->in_operation);
  assert_int_equal(client->done, 0);
  client->messages++;
  client->bytes += bytes.len;
  client->last_len = bytes.len;
  size_t kept = bytes.len < sizeof client->last - 1 ? bytes.len : sizeof client->last - 1;
  if (kept > 0) memcpy(client->last, bytes.data, kept);
  client->last[kept] = '\0';
  if (client->note) client->note(client);
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
  snprintf(client->text, sizeof client->text, "%.*s", (int)status->message.len,
           status->message.len ? (const char *)status->message.data : "");
  copy_metadata(client, &client->got_trailers, trailers);
  const char *details = status->details.len ? (const char *)status->details.data : "";
  client->details = mw_slice(mw_arena_strndup(&client->arena, details, status->details.len), status->details.len);
}

static const struct mw_client_events events = {on_headers, on_message, on_writable, on_done};

/* ---- operations ---- */

void client_start_on(struct client *client, const struct mw_channel_ops *ops, struct mw_channel *channel,
                     const struct mw_client_request *request) {
  *client = (struct client){.ops = ops};
  mw_arena_init(&client->arena, SIZE_MAX);
  DO(client, assert_int_equal(ops->start(channel, request, &events, client, &client->call, NULL), 0));
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

void client_request(struct client *client, const char *message) {
  client_send(client, message, strlen(message));
  client_half_close(client);
  client_read(client);
}

void client_release(struct client *client) {
  DO(client, client->ops->release(client->call));
  mw_arena_fini(&client->arena);
}
