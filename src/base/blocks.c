#include "base/blocks.h"

#include <string.h>

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

void *mw_blocks_new(size_t size) {
  size_t i = mw_blocks_list(size);
  return malloc(MW_BLOCKS_FREE_BYTES > 0 && i <= MW_BLOCKS_SIZES ? i * MW_BLOCKS_STEP : size);
}

void *mw_blocks_resize(struct mw_blocks *blocks, void *block, size_t old, size_t size) {
  size_t from = mw_blocks_list(old), to = mw_blocks_list(size);
  if (MW_BLOCKS_FREE_BYTES == 0 || (from > MW_BLOCKS_SIZES && to > MW_BLOCKS_SIZES)) return realloc(block, size);
  if (from == to) return block;
  void *moved = mw_blocks_take(blocks, size);
  if (!moved) return NULL;
  memcpy(moved, block, old < size ? old : size);
  mw_blocks_release(blocks, block, old);
  return moved;
}
