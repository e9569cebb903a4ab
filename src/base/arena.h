/* A bump allocator: many small pieces with one lifetime, freed together.
 *
 * Every piece is aligned to 16 bytes. An arena has a budget in bytes, so that what it serves cannot be made to eat
 * the machine: past it mw_arena_alloc() returns NULL, as it does without memory or quota, and mw_arena_over() tells which.
 * One thread at a time. */
#ifndef MW_BASE_ARENA_H
#define MW_BASE_ARENA_H

#include "base/quota.h"

struct mw_arena_block;

struct mw_arena {
  struct mw_arena_block *blocks; /* newest first; the oldest one stays across resets */
  char *next, *end;              /* the free part of the newest block */
  size_t used;                   /* bytes handed out since the last reset */
  size_t budget;                 /* most bytes to hand out */
  bool over;                     /* an allocation was refused for the budget */
  struct mw_quota *quota;        /* borrowed: blocks count against it; NULL for none. Set before the first allocation */
};

/* Allocates nothing yet. `budget` in bytes; SIZE_MAX for none. */
void mw_arena_init(struct mw_arena *arena, size_t budget);

/* Frees everything. */
void mw_arena_fini(struct mw_arena *arena);

/* Forgets every piece; keeps the first block for the next use. */
void mw_arena_reset(struct mw_arena *arena);

/* Returns `size` bytes, not cleared, valid until reset or fini; NULL without memory or over the budget. */
void *mw_arena_alloc(struct mw_arena *arena, size_t size);

/* The same, cleared. */
void *mw_arena_calloc(struct mw_arena *arena, size_t count, size_t size);

/* A copy of `len` bytes with a terminator behind; NULL as above. */
char *mw_arena_strndup(struct mw_arena *arena, const char *text, size_t len);

/* Counts `size` bytes that lie elsewhere towards the budget. False when they are too many. */
static inline bool mw_arena_charge(struct mw_arena *arena, size_t size) {
  arena->over |= size > arena->budget - arena->used;
  if (arena->over) return false;
  arena->used += size;
  return true;
}

/* Whether the budget was what refused an allocation since the last reset. */
static inline bool mw_arena_over(const struct mw_arena *arena) { return arena->over; }

#endif
