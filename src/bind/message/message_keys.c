/* The size of a map's Lua table: one in which its integer keys do not collide (script/lua/collisions.h). */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "bind/base/status.h"
#include "bind/message/message_push.h"
#include "script/lua/collisions.h"
#include "script/lua/layout.h"

enum {
  FEW_BITS = 10,
  SIZES = 3 /* sizes to try: the smallest that fits the keys, and two and four times that */
};
static_assert(1 << FEW_BITS == MW_FEW_KEYS, "the smallest table that is looked at");

static uint64_t key_at(const struct mw_field *key, const ProtobufCMessage *entry) {
  const void *slot = mw_field_value(entry, key);
  if (mw_kind_size(key->kind) == 8) return *(const uint64_t *)slot;
  if (key->kind == MW_KIND_UINT32 || key->kind == MW_KIND_FIXED32) return *(const uint32_t *)slot;
  return (uint64_t)(int64_t) * (const int32_t *)slot;
}

static bool collide(const uint64_t *keys, size_t n, unsigned bits, uint16_t *counts) {
  memset(counts, 0, sizeof *counts << bits);
  for (size_t i = 0; i < n; i++) {
    if (++counts[mw_place_of_integer(keys[i], bits)] > MW_COLLISIONS_MOST) return true;
  }
  return false;
}

static int compare(const void *a, const void *b) {
  uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
  return (left > right) - (left < right);
}

/* Sorts the keys and drops duplicates. Returns the number of distinct keys. */
static size_t drop_repeated(uint64_t *keys, size_t n) {
  size_t kept = 1;
  qsort(keys, n, sizeof *keys, compare);
  for (size_t i = 1; i < n; i++) {
    if (keys[i] != keys[i - 1]) keys[kept++] = keys[i];
  }
  return kept;
}

/* Raises with the name of the map, such as "tasks.Task.scores". The entry's type is "tasks.Task.ScoresEntry". */
static void raise_collision(lua_State *L, const struct mw_field *field, unsigned bits) {
  char words[512];
  const char *entry = field->message->full_name, *dot = strrchr(entry, '.');
  snprintf(
      words, sizeof words,
      "%.*s%s: the keys collide in a Lua table: more than %d leave the same remainder modulo %lu, others modulo %lu "
      "and %lu",
      (int)(dot ? dot + 1 - entry : 0), entry, field->name, MW_COLLISIONS_MOST, (1ul << bits) - 1, (2ul << bits) - 1,
      (4ul << bits) - 1);
  lua_pushstring(L, words);
  mw_status_push(L, MW_STATUS, MW_CODE_RESOURCE_EXHAUSTED);
  lua_error(L);
}

size_t mw_map_table_size(struct mw_pusher *p, const struct mw_field *field, ProtobufCMessage *const *entries,
                         size_t n) {
  lua_State *L = p->L;
  const struct mw_field *key = &field->message->fields[0];
  if (n < MW_FEW_KEYS || key->kind == MW_KIND_STRING || key->kind == MW_KIND_BOOL) return n;
  unsigned least = FEW_BITS;
  while ((size_t)1 << least < n) least++;
  uint64_t *keys = lua_newuserdatauv(L, n * sizeof *keys, 0);
  uint16_t *counts = lua_newuserdatauv(L, sizeof *counts << (least + SIZES - 1), 0);
  for (size_t i = 0; i < n; i++) keys[i] = key_at(key, entries[i]);
  unsigned bits = least;
  if (collide(keys, n, bits, counts)) n = drop_repeated(keys, n); /* a repeated key counts once */
  while (bits < least + SIZES && collide(keys, n, bits, counts)) {
    mw_budget_spend(L, &p->steps, n);
    bits++;
  }
  if (bits == least + SIZES) raise_collision(L, field, least);
  lua_pop(L, 2);
  return (size_t)1 << bits;
}
