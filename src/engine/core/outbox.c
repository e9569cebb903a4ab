#include "engine/core/outbox.h"

#include <stdlib.h>

enum { FIRST_CAP = 8 };

static bool grow(struct mw_core_outbox *outbox) {
  size_t cap = outbox->cap ? outbox->cap * 2 : FIRST_CAP;
  struct mw_core_outgoing *ring = malloc(cap * sizeof *ring);
  if (!ring) return false;
  for (size_t i = 0; i < outbox->len; i++) ring[i] = outbox->ring[(outbox->head + i) & (outbox->cap - 1)];
  free(outbox->ring);
  outbox->ring = ring;
  outbox->cap = cap;
  outbox->head = 0;
  return true;
}

bool mw_core_outbox_push(struct mw_core_outbox *outbox, grpc_byte_buffer *message, uint32_t flags) {
  if (outbox->len == outbox->cap && !grow(outbox)) {
    grpc_byte_buffer_destroy(message);
    return false;
  }
  outbox->bytes += grpc_byte_buffer_length(message);
  outbox->ring[(outbox->head + outbox->len++) & (outbox->cap - 1)] = (struct mw_core_outgoing){message, flags};
  return true;
}

struct mw_core_outgoing mw_core_outbox_shift(struct mw_core_outbox *outbox) {
  if (outbox->len == 0) return (struct mw_core_outgoing){0};
  struct mw_core_outgoing oldest = outbox->ring[outbox->head];
  outbox->head = (outbox->head + 1) & (outbox->cap - 1);
  outbox->len--;
  outbox->bytes -= grpc_byte_buffer_length(oldest.message);
  return oldest;
}

static void destroy_messages(struct mw_core_outbox *outbox) {
  grpc_byte_buffer *message;
  while ((message = mw_core_outbox_shift(outbox).message)) grpc_byte_buffer_destroy(message);
}

void mw_core_outbox_clear(struct mw_core_outbox *outbox) {
  if (outbox->cap > FIRST_CAP) {
    mw_core_outbox_fini(outbox);
  } else {
    destroy_messages(outbox);
  }
}

void mw_core_outbox_fini(struct mw_core_outbox *outbox) {
  destroy_messages(outbox);
  free(outbox->ring);
  *outbox = (struct mw_core_outbox){0};
}
