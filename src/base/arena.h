/* A bump allocator: many small pieces with one lifetime, freed together.
 *
 * Every piece is aligned to 16 bytes. The budget, in bytes, bounds what one input can make an arena allocate.
 * mw_arena_alloc() returns NULL over the budget, over the quota and without memory; mw_arena_over() is true for the
 * budget alone. One thread at a time. */
#ifndef MW_BASE_ARENA_H
#define MW_BASE_ARENA_H

#include "base/quota.h"

struct mw_arena_block;

struct mw_arena {
  struct mw_arena_block *blocks; /* newest first; the oldest one stays across resets */
  char *next, *end;              /* the free part of the newest block */
  size_t used;                   /* bytes allocated since the last reset */
  size_t budget;                 /* greatest value of `used` */
  bool over;                     /* the budget refused an allocation */
  /* borrowed; the blocks count against it; NULL for none. Set before the first allocation */
  struct mw_quota *quota;
};

/* Allocates nothing yet. `budget` in bytes; SIZE_MAX for none. */
void mw_arena_init(struct mw_arena *arena, size_t budget);

/* Frees every block. */
void mw_arena_fini(struct mw_arena *arena);

/* Frees every piece; keeps the first block for the next use. */
void mw_arena_reset(struct mw_arena *arena);

/* Returns `size` bytes, not cleared, valid until reset or fini; NULL over the budget, over the quota or without
 * memory. */
void *mw_arena_alloc(struct mw_arena *arena, size_t size);

/* Returns `count` times `size` bytes, cleared; otherwise like mw_arena_alloc(). */
void *mw_arena_calloc(struct mw_arena *arena, size_t count, size_t size);

/* Returns a zero-terminated copy of `len` bytes; NULL as above. */
char *mw_arena_strndup(struct mw_arena *arena, const char *text, size_t len);

/* Counts `size` bytes of other memory towards the budget. Returns false if they would exceed it. */
static inline bool mw_arena_charge(struct mw_arena *arena, size_t size) {
  arena->over |= size > arena->budget - arena->used;
  if (arena->over) return false;
  arena->used += size;
  return true;
}

/* True if the budget has refused an allocation since the last reset. */
static inline bool mw_arena_over(const struct mw_arena *arena) { return arena->over; }

#endif
