#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/err.h"

struct mw_map_entry {
  uint64_t hash;
  uint8_t *key; /* owned; NULL in a free entry */
  size_t len;
  void *value;
};

static uint64_t seed;
static pthread_once_t seeded = PTHREAD_ONCE_INIT;

static void make_seed(void) {
  if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != (ssize_t)sizeof seed) seed = (uint64_t)(uintptr_t)&seed;
}

static uint64_t mix(uint64_t a, uint64_t b) {
  __uint128_t product = (__uint128_t)a * b;
  return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Multiply-and-fold over eight bytes at a time. */
static uint64_t hash_of(struct mw_slice key) {
  uint64_t h = seed ^ (key.len * 0x9e3779b97f4a7c15u);
  size_t i = 0;
  for (; i + 8 <= key.len; i += 8) {
    uint64_t word;
    memcpy(&word, key.data + i, 8);
    h = mix(h ^ word, 0xd6e8feb86659fd93u);
  }
  uint64_t tail = 0;
  if (i < key.len) memcpy(&tail, key.data + i, key.len - i);
  return mix(h ^ tail, 0xa0761d6478bd642fu ^ seed);
}

/* Returns the entry of `key`, or the free entry for it. The table has a free entry. */
static struct mw_map_entry *probe(const struct mw_map *map, uint64_t hash, struct mw_slice key) {
  size_t mask = map->cap - 1;
  for (size_t i = hash & mask;; i = (i + 1) & mask) {
    struct mw_map_entry *entry = &map->entries[i];
    if (!entry->key) return entry;
    if (entry->hash == hash && mw_slice_eq(mw_slice(entry->key, entry->len), key)) return entry;
  }
}

static int grow(struct mw_map *map) {
  size_t cap = map->cap ? map->cap * 2 : 16;
  struct mw_map_entry *entries = calloc(cap, sizeof *entries);
  if (!entries) return MW_ENOMEM;
  struct mw_map bigger = {entries, cap, map->len};
  for (size_t i = 0; i < map->cap; i++) {
    struct mw_map_entry *old = &map->entries[i];
    if (old->key) *probe(&bigger, old->hash, mw_slice(old->key, old->len)) = *old;
  }
  free(map->entries);
  *map = bigger;
  return 0;
}

void mw_map_fini(struct mw_map *map) {
  for (size_t i = 0; i < map->cap; i++) free(map->entries[i].key);
  free(map->entries);
  *map = (struct mw_map)MW_MAP_INIT;
}

int mw_map_set(struct mw_map *map, struct mw_slice key, void *value) {
  pthread_once(&seeded, make_seed);
  if ((map->len + 1) * 4 > map->cap * 3 && grow(map) != 0) return MW_ENOMEM;
  uint64_t hash = hash_of(key);
  struct mw_map_entry *entry = probe(map, hash, key);
  if (!entry->key) {
    uint8_t *copy = malloc(key.len + 1);
    if (!copy) return MW_ENOMEM;
    if (key.len > 0) memcpy(copy, key.data, key.len);
    copy[key.len] = 0;
    *entry = (struct mw_map_entry){hash, copy, key.len, value};
    map->len++;
  }
  entry->value = value;
  return 0;
}

void *mw_map_get(const struct mw_map *map, struct mw_slice key) {
  return map->len ? probe(map, hash_of(key), key)->value : NULL;
}

void *mw_map_remove(struct mw_map *map, struct mw_slice key) {
  if (!map->len) return NULL;
  struct mw_map_entry *entry = probe(map, hash_of(key), key);
  if (!entry->key) return NULL;
  void *value = entry->value;
  free(entry->key);
  *entry = (struct mw_map_entry){0};
  map->len--;
  /* Entries after the hole may have been displaced by it: reinsert the rest of the run. */
  size_t mask = map->cap - 1;
  for (size_t i = ((size_t)(entry - map->entries) + 1) & mask; map->entries[i].key; i = (i + 1) & mask) {
    struct mw_map_entry moved = map->entries[i];
    map->entries[i] = (struct mw_map_entry){0};
    *probe(map, moved.hash, mw_slice(moved.key, moved.len)) = moved;
  }
  return value;
}

void *mw_map_next(const struct mw_map *map, size_t *cursor, struct mw_slice *key) {
  while (*cursor < map->cap) {
    struct mw_map_entry *entry = &map->entries[(*cursor)++];
    if (!entry->key) continue;
    if (key) *key = mw_slice(entry->key, entry->len);
    return entry->value;
  }
  return NULL;
}
