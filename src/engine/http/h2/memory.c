#include "engine/http/h2/memory.h"

#include <stdint.h>
#include <string.h>

/* nghttp2 frees memory without passing its size, so a header stores it. */
struct block {
  size_t size; /* of the block, header included */
  _Alignas(16) char data[];
};

static struct block *block_of(void *data) {
  return data ? (struct block *)((char *)data - sizeof(struct block)) : NULL;
}

static void *allocate(size_t size, void *blocks) {
  if (size > SIZE_MAX - sizeof(struct block)) return NULL;
  size += sizeof(struct block);
  struct block *block = mw_blocks_take(blocks, size);
  if (!block) return NULL;
  block->size = size;
  return block->data;
}

static void release(void *data, void *blocks) {
  struct block *block = block_of(data);
  if (block) mw_blocks_release(blocks, block, block->size);
}

static void *allocate_zeros(size_t count, size_t size, void *blocks) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
  void *data = allocate(bytes, blocks);
  return data ? memset(data, 0, bytes) : NULL;
}

static void *resize(void *data, size_t size, void *blocks) {
  struct block *block = block_of(data);
  if (!block) return allocate(size, blocks);
  if (size > SIZE_MAX - sizeof *block) return NULL;
  size += sizeof *block;
  block = mw_blocks_resize(blocks, block, block->size, size);
  if (!block) return NULL;
  block->size = size;
  return block->data;
}

nghttp2_mem mw_http_memory(struct mw_blocks *blocks) {
  return (nghttp2_mem){blocks, allocate, release, allocate_zeros, resize};
}
