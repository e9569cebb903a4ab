#include "base/blocks.h"

#include <stdlib.h>
#include <string.h>

#ifdef __has_feature /* clang's way to tell */
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

#ifdef __SANITIZE_ADDRESS__
enum { KEEPS = 0 };
#else
enum { KEEPS = 1 };
#endif

/* Which list a size belongs to; MW_BLOCKS_SIZES + 1 and more for none. */
static size_t index_of(size_t size) {
  return KEEPS ? (size + MW_BLOCKS_STEP - 1) / MW_BLOCKS_STEP : MW_BLOCKS_SIZES + 1;
}

void mw_blocks_fini(struct mw_blocks *blocks) {
  for (size_t i = 0; i <= MW_BLOCKS_SIZES; i++) {
    void *block;
    while ((block = blocks->free[i])) {
      blocks->free[i] = *(void **)block;
      free(block);
    }
  }
  blocks->idle = 0;
}

void *mw_blocks_take(struct mw_blocks *blocks, size_t size) {
  size_t i = index_of(size);
  if (i > MW_BLOCKS_SIZES) return malloc(size);
  void *block = blocks->free[i];
  if (!block) return malloc(i * MW_BLOCKS_STEP);
  blocks->free[i] = *(void **)block;
  blocks->idle -= i * MW_BLOCKS_STEP;
  return block;
}

void mw_blocks_give(struct mw_blocks *blocks, void *block, size_t size) {
  size_t i = index_of(size);
  if (i > MW_BLOCKS_SIZES || !block || blocks->idle >= MW_BLOCKS_IDLE) {
    free(block);
    return;
  }
  *(void **)block = blocks->free[i];
  blocks->free[i] = block;
  blocks->idle += i * MW_BLOCKS_STEP;
}

void *mw_blocks_resize(struct mw_blocks *blocks, void *block, size_t old, size_t size) {
  size_t from = index_of(old), to = index_of(size);
  if (from > MW_BLOCKS_SIZES && to > MW_BLOCKS_SIZES) return realloc(block, size);
  if (from == to) return block;
  void *moved = mw_blocks_take(blocks, size);
  if (!moved) return NULL;
  memcpy(moved, block, old < size ? old : size);
  mw_blocks_give(blocks, block, old);
  return moved;
}
