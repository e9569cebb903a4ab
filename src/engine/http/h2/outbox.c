#include "engine/http/h2/outbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Bytes in a block for several messages. With its header the block has a size that malloc() serves from its cache. */
enum { ROOM = 1024 - sizeof(struct mw_http_message) };

/* ---- blocks ---- */

static struct mw_http_message *block_new(size_t cap, struct mw_arena *arena) {
  struct mw_http_message *block = arena ? mw_arena_alloc(arena, sizeof *block + cap) : malloc(sizeof *block + cap);
  if (block) *block = (struct mw_http_message){.cap = cap, .owned = !arena};
  return block;
}

struct mw_http_message *mw_http_message_new(size_t size) {
  struct mw_http_message *message = size <= UINT32_MAX ? block_new(MW_HTTP_PREFIX + size, NULL) : NULL;
  if (!message) return NULL;
  message->len = MW_HTTP_PREFIX + size;
  mw_http_write_prefix(message->bytes, size, false);
  return message;
}

void mw_http_message_free(struct mw_http_message *message) {
  if (message && message->owned) free(message);
}

static void free_all(struct mw_http_message *message) {
  while (message) {
    struct mw_http_message *next = message->next;
    mw_http_message_free(message);
    message = next;
  }
}

/* ---- the reserved message ---- */

/* Returns the start of the reserved message. */
static uint8_t *place(const struct mw_http_outbox *outbox) {
  struct mw_http_message *block = outbox->fresh ? outbox->fresh : outbox->last;
  return block->bytes + block->len;
}

uint8_t *mw_http_outbox_reserve(struct mw_http_outbox *outbox, size_t size, struct mw_arena *arena) {
  if (size > UINT32_MAX) return NULL;
  size_t len = MW_HTTP_PREFIX + size;
  mw_http_message_free(outbox->fresh);
  outbox->fresh = NULL;
  if (!outbox->last || outbox->last->cap - outbox->last->len < len) {
    outbox->fresh = block_new(outbox->last && len < ROOM ? ROOM : len, arena);
    if (!outbox->fresh) return NULL;
  }
  outbox->reserved = len;
  mw_http_write_prefix(place(outbox), size, false);
  return place(outbox) + MW_HTTP_PREFIX;
}

void mw_http_outbox_adopt(struct mw_http_outbox *outbox, struct mw_http_message *message) {
  mw_http_message_free(outbox->fresh);
  outbox->fresh = message;
  outbox->reserved = message->len;
  message->len = 0;
}

struct mw_slice mw_http_outbox_reserved(const struct mw_http_outbox *outbox) {
  return mw_slice(place(outbox) + MW_HTTP_PREFIX, outbox->reserved - MW_HTTP_PREFIX);
}

void mw_http_outbox_replace(struct mw_http_outbox *outbox, struct mw_slice bytes) {
  assert(MW_HTTP_PREFIX + bytes.len <= outbox->reserved);
  outbox->reserved = MW_HTTP_PREFIX + bytes.len;
  mw_http_write_prefix(place(outbox), bytes.len, true);
  if (bytes.len > 0) memcpy(place(outbox) + MW_HTTP_PREFIX, bytes.data, bytes.len);
}

void mw_http_outbox_push(struct mw_http_outbox *outbox) {
  struct mw_http_message *fresh = outbox->fresh;
  assert(outbox->reserved > 0);
  if (fresh) {
    if (outbox->last) {
      outbox->last->next = fresh;
    } else {
      outbox->first = fresh;
    }
    outbox->last = fresh;
    outbox->fresh = NULL;
    if (fresh->owned) outbox->held += fresh->cap;
  }
  outbox->last->len += outbox->reserved;
  outbox->bytes += outbox->reserved;
  outbox->reserved = 0;
}

/* ---- leaving ---- */

static void shift(struct mw_http_outbox *outbox, struct mw_http_batch *batch) {
  struct mw_http_message *block = outbox->first;
  outbox->first = block->next;
  if (!outbox->first) outbox->last = NULL;
  outbox->taken = outbox->departed = 0;
  if (!block->owned) return;
  outbox->held -= block->cap;
  block->next = batch->spent;
  batch->spent = block;
}

/* Counts the messages of the first block that the newest bytes have completed. */
static uint32_t count_departed(struct mw_http_outbox *outbox) {
  uint32_t n = 0;
  while (outbox->departed < outbox->taken) {
    size_t end = outbox->departed + MW_HTTP_PREFIX + mw_http_read_prefix(outbox->first->bytes + outbox->departed);
    if (end > outbox->taken) break;
    outbox->departed = end;
    n++;
  }
  return n;
}

uint32_t mw_http_outbox_take(struct mw_http_outbox *outbox, size_t len, struct mw_http_batch *batch) {
  uint32_t completed = 0;
  outbox->bytes -= len;
  while (len > 0) {
    struct mw_http_message *block = outbox->first;
    size_t left = block->len - outbox->taken;
    size_t step = len < left ? len : left;
    mw_http_batch_add(batch, block->bytes + outbox->taken, step);
    outbox->taken += step;
    len -= step;
    completed += count_departed(outbox);
    if (step == left) shift(outbox, batch);
  }
  return completed;
}

void mw_http_outbox_clear(struct mw_http_outbox *outbox) {
  free_all(outbox->first);
  mw_http_message_free(outbox->fresh);
  *outbox = (struct mw_http_outbox){0};
}

void mw_http_batch_free_spent(struct mw_http_batch *batch) {
  free_all(batch->spent);
  batch->spent = NULL;
}
