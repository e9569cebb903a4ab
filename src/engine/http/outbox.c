#include "engine/http/outbox.h"

#include <stdlib.h>

struct mw_http_message *mw_http_message_new(size_t size, struct mw_arena *arena) {
  if (size > UINT32_MAX) return NULL;
  size_t bytes = sizeof(struct mw_http_message) + MW_HTTP_PREFIX + size;
  struct mw_http_message *message = arena ? mw_arena_alloc(arena, bytes) : malloc(bytes);
  if (!message) return NULL;
  message->next = NULL;
  message->len = MW_HTTP_PREFIX + size;
  message->owned = !arena;
  message->plain = false;
  mw_http_write_prefix(message->bytes, size, false);
  return message;
}

void mw_http_message_free(struct mw_http_message *message) {
  if (message && message->owned) free(message);
}

void mw_http_outbox_push(struct mw_http_outbox *outbox, struct mw_http_message *message) {
  if (outbox->last) {
    outbox->last->next = message;
  } else {
    outbox->first = message;
  }
  outbox->last = message;
  outbox->bytes += message->len;
}

static struct mw_http_message *shift(struct mw_http_outbox *outbox) {
  struct mw_http_message *message = outbox->first;
  outbox->first = message->next;
  if (!outbox->first) outbox->last = NULL;
  outbox->taken = 0;
  return message;
}

uint32_t mw_http_outbox_take(struct mw_http_outbox *outbox, size_t len, struct mw_http_batch *batch) {
  uint32_t completed = 0;
  outbox->bytes -= len;
  while (len > 0) {
    struct mw_http_message *message = outbox->first;
    size_t left = message->len - outbox->taken;
    size_t step = len < left ? len : left;
    mw_http_batch_add(batch, message->bytes + outbox->taken, step);
    outbox->taken += step;
    len -= step;
    if (step < left) break;
    shift(outbox);
    completed++;
    if (!message->owned) continue;
    message->next = batch->spent;
    batch->spent = message;
  }
  return completed;
}

static void free_all(struct mw_http_message *message) {
  while (message) {
    struct mw_http_message *next = message->next;
    mw_http_message_free(message);
    message = next;
  }
}

void mw_http_outbox_clear(struct mw_http_outbox *outbox) {
  free_all(outbox->first);
  *outbox = (struct mw_http_outbox){0};
}

void mw_http_batch_free_spent(struct mw_http_batch *batch) {
  free_all(batch->spent);
  batch->spent = NULL;
}
