/* An allocator for protobuf-c that allocates in an arena. Freed pieces stay until the arena is reset. */
#ifndef MW_SCHEMA_WIRE_ARENA_ALLOCATOR_H
#define MW_SCHEMA_WIRE_ARENA_ALLOCATOR_H

#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"

struct mw_arena_allocator {
  ProtobufCAllocator base;
  struct mw_arena *arena; /* borrowed */
  bool failed;            /* an allocation failed: over the arena's budget, or without memory */
};

/* The allocator stays at its address while it is in use. */
void mw_arena_allocator_init(struct mw_arena_allocator *allocator, struct mw_arena *arena);

#endif
