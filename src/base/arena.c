#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN = 16, FIRST_BLOCK = 4096, LARGEST_STEP = 256 * 1024 };

struct mw_arena_block {
  struct mw_arena_block *older;
  size_t size; /* bytes of data */
  _Alignas(ALIGN) char data[];
};

static void enter(struct mw_arena *arena, struct mw_arena_block *block) {
  arena->next = block->data;
  arena->end = block->data + block->size;
}

static void free_newest(struct mw_arena *arena) {
  struct mw_arena_block *block = arena->blocks;
  arena->blocks = block->older;
  mw_quota_release(arena->quota, sizeof *block + block->size);
  free(block);
}

static bool grow(struct mw_arena *arena, size_t size) {
  size_t step = arena->blocks ? arena->blocks->size * 2 : FIRST_BLOCK;
  if (step > LARGEST_STEP) step = LARGEST_STEP;
  if (step < size) step = size;
  if (step > SIZE_MAX - sizeof(struct mw_arena_block)) return false;
  if (!mw_quota_reserve(arena->quota, sizeof(struct mw_arena_block) + step)) return false;
  struct mw_arena_block *block = malloc(sizeof *block + step);
  if (!block) {
    mw_quota_release(arena->quota, sizeof *block + step);
    return false;
  }
  block->older = arena->blocks;
  block->size = step;
  arena->blocks = block;
  enter(arena, block);
  return true;
}

void mw_arena_init(struct mw_arena *arena, size_t budget) { *arena = (struct mw_arena){.budget = budget}; }

void mw_arena_fini(struct mw_arena *arena) {
  while (arena->blocks) free_newest(arena);
  *arena = (struct mw_arena){.budget = arena->budget, .quota = arena->quota};
}

void mw_arena_reset(struct mw_arena *arena) {
  while (arena->blocks && arena->blocks->older) free_newest(arena);
  if (arena->blocks) enter(arena, arena->blocks);
  arena->used = 0;
  arena->over = false;
}

void *mw_arena_alloc(struct mw_arena *arena, size_t size) {
  if (size > SIZE_MAX - ALIGN) return NULL;
  size_t rounded = size ? (size + ALIGN - 1) / ALIGN * ALIGN : ALIGN;
  if (rounded > arena->budget - arena->used) {
    arena->over = true;
    return NULL;
  }
  if (rounded > (size_t)(arena->end - arena->next) && !grow(arena, rounded)) return NULL;
  void *piece = arena->next;
  arena->next += rounded;
  arena->used += rounded;
  return piece;
}

void *mw_arena_calloc(struct mw_arena *arena, size_t count, size_t size) {
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) return NULL;
  void *piece = mw_arena_alloc(arena, bytes);
  return piece ? memset(piece, 0, bytes) : NULL;
}

char *mw_arena_strndup(struct mw_arena *arena, const char *text, size_t len) {
  char *copy = len < SIZE_MAX ? mw_arena_alloc(arena, len + 1) : NULL;
  if (!copy) return NULL;
  memcpy(copy, text, len);
  copy[len] = '\0';
  return copy;
}
