/* A hash map from bytes to pointers.
 *
 * The map copies its keys and borrows its values. The order of iteration is undefined; where users see the order,
 * use a sorted array. The hash has a random seed for each process, so that clients cannot choose keys that collide.
 * One writer, or many readers. */
#ifndef MW_BASE_MAP_H
#define MW_BASE_MAP_H

#include "base/slice.h"

struct mw_map_entry;

struct mw_map {
  struct mw_map_entry *entries; /* open addressing; `cap` is a power of two */
  size_t cap, len;
};

#define MW_MAP_INIT \
  { NULL, 0, 0 }

/* Frees keys and table, not the values. */
void mw_map_fini(struct mw_map *map);

/* Sets `key` to `value` (not NULL), which replaces an earlier one. Returns 0 or MW_ENOMEM. */
int mw_map_set(struct mw_map *map, struct mw_slice key, void *value);

/* Returns the value, or NULL. */
void *mw_map_get(const struct mw_map *map, struct mw_slice key);

/* Removes and returns the value, or NULL. */
void *mw_map_remove(struct mw_map *map, struct mw_slice key);

/* Iterates: start with *cursor = 0; returns each value once, NULL at the end. `key` may be NULL. The map must not
 * change during the iteration. */
void *mw_map_next(const struct mw_map *map, size_t *cursor, struct mw_slice *key);

#endif
