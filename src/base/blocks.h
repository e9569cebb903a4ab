/* A pool of small memory blocks: one list of free blocks for each size.
 *
 * The C library's cache holds seven free blocks of a size for each thread, fewer than many concurrent calls need. The
 * pool keeps up to MW_BLOCKS_FREE_BYTES free bytes in blocks of up to 512 bytes; malloc() and free() handle the rest.
 * One thread at a time. Under AddressSanitizer the pool keeps nothing, so that every use after free is detected. */
#ifndef MW_BASE_BLOCKS_H
#define MW_BASE_BLOCKS_H

#include <stddef.h>
#include <stdlib.h>

#ifdef __has_feature /* clang */
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

enum {
  MW_BLOCKS_STEP = 16,  /* bytes between two sizes */
  MW_BLOCKS_SIZES = 32, /* the largest block has 512 bytes */
#ifdef __SANITIZE_ADDRESS__
  MW_BLOCKS_FREE_BYTES = 0
#else
  MW_BLOCKS_FREE_BYTES = 2 * 1024 * 1024 /* greatest number of free bytes that the pool keeps */
#endif
};

struct mw_blocks {                 /* initialised by zeros */
  void *free[MW_BLOCKS_SIZES + 1]; /* of (index * MW_BLOCKS_STEP) bytes; each begins with a pointer to the next */
  size_t idle;                     /* bytes in these lists */
};

/* Frees all free blocks. */
void mw_blocks_fini(struct mw_blocks *blocks);

/* Returns the index of the list for `size`; above MW_BLOCKS_SIZES if the pool keeps no such blocks. */
static inline size_t mw_blocks_list(size_t size) { return (size + MW_BLOCKS_STEP - 1) / MW_BLOCKS_STEP; }

/* Allocates a block for mw_blocks_take() when its list is empty. */
void *mw_blocks_new(size_t size);

/* Returns `size` > 0 bytes, aligned to 16; NULL without memory. */
static inline void *mw_blocks_take(struct mw_blocks *blocks, size_t size) {
  size_t i = mw_blocks_list(size);
  void *block = i <= MW_BLOCKS_SIZES ? blocks->free[i] : NULL;
  if (!block) return mw_blocks_new(size);
  blocks->free[i] = *(void **)block;
  blocks->idle -= i * MW_BLOCKS_STEP;
  return block;
}

/* Gives back a block of `size` bytes; NULL is allowed. */
static inline void mw_blocks_release(struct mw_blocks *blocks, void *block, size_t size) {
  size_t i = mw_blocks_list(size), idle = blocks->idle + i * MW_BLOCKS_STEP;
  if (i > MW_BLOCKS_SIZES || !block || idle > MW_BLOCKS_FREE_BYTES) {
    free(block);
    return;
  }
  *(void **)block = blocks->free[i];
  blocks->free[i] = block;
  blocks->idle = idle;
}

/* Resizes a block from `old` to `size` > 0 bytes, which may move it. Returns NULL without memory; the block is then
 * unchanged. */
void *mw_blocks_resize(struct mw_blocks *blocks, void *block, size_t old, size_t size);

#endif
