/* Small blocks of memory that are taken and given back all the time: one list of free blocks for each size.
 *
 * The C library keeps seven free blocks of a size at hand for a thread, and many calls at once need more. Larger blocks,
 * and those beyond what may lie idle, come from it and go back to it. One thread at a time. Under AddressSanitizer
 * nothing is kept, so that it sees every use of a block that was given back. */
#ifndef MW_BASE_BLOCKS_H
#define MW_BASE_BLOCKS_H

#include <stddef.h>
#include <stdlib.h>

#ifdef __has_feature /* clang's way to tell */
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

enum {
  MW_BLOCKS_STEP = 16,   /* bytes between two sizes */
  MW_BLOCKS_SIZES = 32,  /* so the largest has 512 */
#ifdef __SANITIZE_ADDRESS__
  MW_BLOCKS_IDLE = 0
#else
  MW_BLOCKS_IDLE = 2 * 1024 * 1024 /* bytes, at most, that lie idle */
#endif
};

struct mw_blocks { /* all zeros to begin with */
  void *free[MW_BLOCKS_SIZES + 1]; /* of (index * MW_BLOCKS_STEP) bytes; each begins with a pointer to the next */
  size_t idle;                     /* bytes in these lists */
};

/* Gives what lies idle back to the C library. */
void mw_blocks_fini(struct mw_blocks *blocks);

/* Which list a size belongs to; past MW_BLOCKS_SIZES for none. */
static inline size_t mw_blocks_list(size_t size) { return (size + MW_BLOCKS_STEP - 1) / MW_BLOCKS_STEP; }

/* For mw_blocks_take(), when no block lies idle. */
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
static inline void mw_blocks_give(struct mw_blocks *blocks, void *block, size_t size) {
  size_t i = mw_blocks_list(size), idle = blocks->idle + i * MW_BLOCKS_STEP;
  if (i > MW_BLOCKS_SIZES || !block || idle > MW_BLOCKS_IDLE) {
    free(block);
    return;
  }
  *(void **)block = blocks->free[i];
  blocks->free[i] = block;
  blocks->idle = idle;
}

/* Makes a block of `old` bytes one of `size` > 0, which may move it. NULL without memory: then it is as it was. */
void *mw_blocks_resize(struct mw_blocks *blocks, void *block, size_t old, size_t size);

#endif
