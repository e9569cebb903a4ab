#include "engine/http/h2/outbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Bytes in a block for several messages. With its header the block has a size that malloc() serves from its cache. */
enum { ROOM = 1024 - sizeof(struct mw_http_block) };

/* ---- blocks ---- */

static struct mw_http_block *allocate(size_t cap, struct mw_arena *arena) {
  struct mw_http_block *block = arena ? mw_arena_alloc(arena, sizeof *block + cap) : malloc(sizeof *block + cap);
  if (block) *block = (struct mw_http_block){.cap = cap, .owned = !arena};
  return block;
}

struct mw_http_block *mw_http_block_new(size_t size) {
  struct mw_http_block *block = size <= UINT32_MAX ? allocate(MW_HTTP_PREFIX + size, NULL) : NULL;
  if (!block) return NULL;
  block->len = MW_HTTP_PREFIX + size;
  mw_http_write_prefix(block->bytes, size, false);
  return block;
}

void mw_http_block_free(struct mw_http_block *block) {
  if (block && block->owned) free(block);
}

static void free_all(struct mw_http_block *block) {
  while (block) {
    struct mw_http_block *next = block->next;
    mw_http_block_free(block);
    block = next;
  }
}

/* ---- the reserved message ---- */

/* Returns the start of the reserved message. */
static uint8_t *reserved_at(const struct mw_http_outbox *outbox) {
  struct mw_http_block *block = outbox->reserved_block ? outbox->reserved_block : outbox->last;
  return block->bytes + block->len;
}

uint8_t *mw_http_outbox_reserve(struct mw_http_outbox *outbox, size_t size, struct mw_arena *arena) {
  if (size > UINT32_MAX) return NULL;
  size_t len = MW_HTTP_PREFIX + size;
  mw_http_block_free(outbox->reserved_block);
  outbox->reserved_block = NULL;
  if (!outbox->last || outbox->last->cap - outbox->last->len < len) {
    outbox->reserved_block = allocate(outbox->last && len < ROOM ? ROOM : len, arena);
    if (!outbox->reserved_block) return NULL;
  }
  outbox->reserved = len;
  mw_http_write_prefix(reserved_at(outbox), size, false);
  return reserved_at(outbox) + MW_HTTP_PREFIX;
}

void mw_http_outbox_adopt(struct mw_http_outbox *outbox, struct mw_http_block *block) {
  mw_http_block_free(outbox->reserved_block);
  outbox->reserved_block = block;
  outbox->reserved = block->len;
  block->len = 0;
}

struct mw_slice mw_http_outbox_reserved(const struct mw_http_outbox *outbox) {
  return mw_slice(reserved_at(outbox) + MW_HTTP_PREFIX, outbox->reserved - MW_HTTP_PREFIX);
}

void mw_http_outbox_replace(struct mw_http_outbox *outbox, struct mw_slice bytes) {
  assert(MW_HTTP_PREFIX + bytes.len <= outbox->reserved);
  outbox->reserved = MW_HTTP_PREFIX + bytes.len;
  mw_http_write_prefix(reserved_at(outbox), bytes.len, true);
  if (bytes.len > 0) memcpy(reserved_at(outbox) + MW_HTTP_PREFIX, bytes.data, bytes.len);
}

void mw_http_outbox_push(struct mw_http_outbox *outbox) {
  struct mw_http_block *block = outbox->reserved_block;
  assert(outbox->reserved > 0);
  if (block) {
    if (outbox->last) {
      outbox->last->next = block;
    } else {
      outbox->first = block;
    }
    outbox->last = block;
    outbox->reserved_block = NULL;
    if (block->owned) outbox->held += block->cap;
  }
  outbox->last->len += outbox->reserved;
  outbox->bytes += outbox->reserved;
  outbox->reserved = 0;
}

/* ---- leaving ---- */

static void shift(struct mw_http_outbox *outbox, struct mw_http_batch *batch) {
  struct mw_http_block *block = outbox->first;
  outbox->first = block->next;
  if (!outbox->first) outbox->last = NULL;
  outbox->sent = outbox->sent_whole = 0;
  if (!block->owned) return;
  outbox->held -= block->cap;
  block->next = batch->spent;
  batch->spent = block;
}

/* Counts the messages of the first block that the newest bytes have completed. */
static uint32_t count_sent(struct mw_http_outbox *outbox) {
  uint32_t n = 0;
  while (outbox->sent_whole < outbox->sent) {
    size_t end = outbox->sent_whole + MW_HTTP_PREFIX + mw_http_read_prefix(outbox->first->bytes + outbox->sent_whole);
    if (end > outbox->sent) break;
    outbox->sent_whole = end;
    n++;
  }
  return n;
}

uint32_t mw_http_outbox_take(struct mw_http_outbox *outbox, size_t len, struct mw_http_batch *batch) {
  uint32_t completed = 0;
  outbox->bytes -= len;
  while (len > 0) {
    struct mw_http_block *block = outbox->first;
    size_t left = block->len - outbox->sent;
    size_t step = len < left ? len : left;
    mw_http_batch_add(batch, block->bytes + outbox->sent, step);
    outbox->sent += step;
    len -= step;
    completed += count_sent(outbox);
    if (step == left) shift(outbox, batch);
  }
  return completed;
}

void mw_http_outbox_clear(struct mw_http_outbox *outbox) {
  free_all(outbox->first);
  mw_http_block_free(outbox->reserved_block);
  *outbox = (struct mw_http_outbox){0};
}

void mw_http_batch_free_spent(struct mw_http_batch *batch) {
  free_all(batch->spent);
  batch->spent = NULL;
}
