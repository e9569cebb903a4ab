#include "rpc/metadata.h"

enum { KEY_MAX = 128, FIRST_CAP = 8 };

/* Moves the table to a larger one; the arena frees the old one later. */
static int grow(struct mw_metadata *metadata, struct mw_arena *arena) {
  size_t cap = metadata->cap ? metadata->cap * 2 : FIRST_CAP;
  struct mw_metadata_entry *entries = mw_arena_alloc(arena, cap * sizeof *entries);
  if (!entries) return MW_ENOMEM;
  if (metadata->len > 0) memcpy(entries, metadata->entries, metadata->len * sizeof *entries);
  metadata->entries = entries;
  metadata->cap = cap;
  return 0;
}

static bool copy(struct mw_arena *arena, struct mw_slice bytes, struct mw_slice *out) {
  const char *data = mw_arena_strndup(arena, bytes.len ? (const char *)bytes.data : "", bytes.len);
  *out = mw_slice(data, bytes.len);
  return data != NULL;
}

int mw_metadata_add_view(struct mw_metadata *metadata, struct mw_arena *arena, struct mw_slice key,
                         struct mw_slice value) {
  if (metadata->len == metadata->cap && grow(metadata, arena) != 0) return MW_ENOMEM;
  metadata->entries[metadata->len++] = (struct mw_metadata_entry){key, value};
  metadata->bytes += key.len + value.len + MW_METADATA_OVERHEAD;
  return 0;
}

int mw_metadata_add(struct mw_metadata *metadata, struct mw_arena *arena, struct mw_slice key, struct mw_slice value) {
  struct mw_slice own_key, own_value;
  if (!copy(arena, key, &own_key) || !copy(arena, value, &own_value)) return MW_ENOMEM;
  return mw_metadata_add_view(metadata, arena, own_key, own_value);
}

const struct mw_slice *mw_metadata_get(const struct mw_metadata *metadata, const char *key) {
  for (size_t i = 0; i < metadata->len; i++) {
    if (mw_slice_eq_str(metadata->entries[i].key, key)) return &metadata->entries[i].value;
  }
  return NULL;
}

static bool ends_with(struct mw_slice text, const char *suffix) {
  size_t len = strlen(suffix);
  return text.len >= len && memcmp(text.data + text.len - len, suffix, len) == 0;
}

static bool starts_with(struct mw_slice text, const char *prefix) {
  size_t len = strlen(prefix);
  return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

bool mw_metadata_is_binary(struct mw_slice key) { return ends_with(key, "-bin"); }

/* True for headers with a meaning to HTTP or gRPC, which an application must not set. */
static bool is_reserved(struct mw_slice key) {
  static const char *const reserved[] = {"connection",        "content-length",   "content-type", "host",
                                         "keep-alive",        "proxy-connection", "te",           "trailer",
                                         "transfer-encoding", "upgrade",          "user-agent"};
  for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
    if (mw_slice_eq_str(key, reserved[i])) return true;
  }
  return starts_with(key, "grpc-");
}

static bool is_key_byte(uint8_t c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

static int check_key(struct mw_slice key, struct mw_err *err) {
  if (key.len == 0 || key.len > KEY_MAX) {
    return mw_err_set(err, MW_EINVAL, "metadata key: %zu bytes, must be 1 to %d", key.len, KEY_MAX);
  }
  for (size_t i = 0; i < key.len; i++) {
    if (is_key_byte(key.data[i])) continue;
    return mw_err_set(err, MW_EINVAL, "metadata key \"%.*s\": byte 0x%02x at %zu, must be one of 0-9 a-z _ - .",
                      (int)key.len, (const char *)key.data, key.data[i], i + 1);
  }
  if (mw_slice_eq_str(key, "-bin")) { /* C core treats it as text */
    return mw_err_set(err, MW_EINVAL, "metadata key \"-bin\": no name, must have one before -bin");
  }
  if (is_reserved(key)) {
    return mw_err_set(err, MW_EINVAL, "metadata key \"%.*s\" is reserved for HTTP and gRPC, choose another name",
                      (int)key.len, (const char *)key.data);
  }
  return 0;
}

int mw_metadata_check(struct mw_slice key, struct mw_slice value, struct mw_err *err) {
  int rc = check_key(key, err);
  if (rc != 0 || mw_metadata_is_binary(key)) return rc;
  for (size_t i = 0; i < value.len; i++) {
    if (value.data[i] >= 0x20 && value.data[i] <= 0x7e) continue;
    return mw_err_set(err, MW_EINVAL,
                      "metadata \"%.*s\": byte 0x%02x at %zu of the value, must be printable ASCII "
                      "(a key that ends in -bin carries any bytes)",
                      (int)key.len, (const char *)key.data, value.data[i], i + 1);
  }
  return 0;
}
