#include "schema/wire/arena_allocator.h"

static void *allocate(void *data, size_t size) {
  struct mw_arena_allocator *allocator = data;
  void *piece = mw_arena_alloc(allocator->arena, size);
  if (!piece) allocator->failed = true;
  return piece;
}

/* protobuf-c calls it without a check for NULL. */
static void release(void *data, void *piece) {
  (void)data;
  (void)piece;
}

void mw_arena_allocator_init(struct mw_arena_allocator *allocator, struct mw_arena *arena) {
  *allocator = (struct mw_arena_allocator){{allocate, release, allocator}, arena, false};
}
