#include "engine/core/metadata.h"

#include "engine/core/slices.h"

static bool is_own(struct mw_slice key) {
  return key.len >= 5 && memcmp(key.data, "grpc-", 5) == 0 && !mw_slice_eq_str(key, "grpc-previous-rpc-attempts");
}

int mw_core_metadata_view(struct mw_metadata *out, const grpc_metadata_array *array, struct mw_arena *arena) {
  *out = (struct mw_metadata){0};
  if (array->count == 0) return 0;
  struct mw_metadata_entry *entries = mw_arena_alloc(arena, array->count * sizeof *entries);
  if (!entries) return MW_ENOMEM;
  size_t n = 0, bytes = 0;
  for (size_t i = 0; i < array->count; i++) {
    struct mw_slice key = mw_core_slice_view(&array->metadata[i].key);
    if (is_own(key)) continue;
    entries[n] = (struct mw_metadata_entry){key, mw_core_slice_view(&array->metadata[i].value)};
    bytes += key.len + entries[n++].value.len + MW_METADATA_OVERHEAD;
  }
  *out = (struct mw_metadata){entries, n, array->count, bytes};
  return 0;
}

struct mw_slice mw_core_metadata_find(const grpc_metadata_array *array, const char *key) {
  for (size_t i = 0; i < array->count; i++) {
    if (mw_slice_eq_str(mw_core_slice_view(&array->metadata[i].key), key)) {
      return mw_core_slice_view(&array->metadata[i].value);
    }
  }
  return mw_slice(NULL, 0);
}

grpc_metadata mw_core_metadata_entry(struct mw_slice key, struct mw_slice value) {
  grpc_metadata entry = {0};
  entry.key = grpc_slice_from_copied_buffer((const char *)key.data, key.len);
  entry.value = grpc_slice_from_copied_buffer(value.len ? (const char *)value.data : "", value.len);
  return entry;
}

static bool is_legal(const grpc_metadata *entry) {
  if (!grpc_header_key_is_legal(entry->key)) return false;
  return grpc_is_binary_header(entry->key) || grpc_header_nonbin_value_is_legal(entry->value);
}

size_t mw_core_metadata_fill(const struct mw_metadata *metadata, grpc_metadata *out) {
  size_t n = 0;
  for (size_t i = 0; i < metadata->len; i++) {
    out[n] = mw_core_metadata_entry(metadata->entries[i].key, metadata->entries[i].value);
    if (is_legal(&out[n])) {
      n++;
    } else {
      mw_core_metadata_release(&out[n], 1);
    }
  }
  return n;
}

void mw_core_metadata_release(grpc_metadata *entries, size_t n) {
  for (size_t i = 0; i < n; i++) {
    grpc_slice_unref(entries[i].key);
    grpc_slice_unref(entries[i].value);
  }
}
