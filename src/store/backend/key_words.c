#include <stdio.h>

#include "store/backend/backend.h"

/* Appends `bytes`, with all but printable ASCII as \xHH, as far as `cap` allows. */
static size_t put_text(char *out, size_t at, size_t cap, struct mw_slice bytes) {
  for (size_t i = 0; i < bytes.len && at + 5 < cap; i++) {
    uint8_t byte = bytes.data[i];
    if (byte >= ' ' && byte <= '~' && byte != '\\') out[at++] = (char)byte;
    else at += (size_t)snprintf(out + at, cap - at, "\\x%02x", byte);
  }
  out[at] = '\0';
  return at;
}

static bool is_printable(struct mw_slice bytes) {
  for (size_t i = 0; i < bytes.len; i++) {
    if (bytes.data[i] < ' ' || bytes.data[i] == 0x7f) return false;
  }
  return true;
}

/* Integer keys are eight bytes, big-endian, with the sign bit inverted (bind/store/store.h). */
const char *mw_store_key_words(struct mw_slice key, char *out) {
  const uint8_t *zero = key.len > 0 ? memchr(key.data, 0, key.len) : NULL;
  if (!zero) {
    put_text(out, 0, MW_STORE_KEY_WORDS, key);
    return out;
  }
  struct mw_slice name = mw_slice(key.data, (size_t)(zero - key.data));
  struct mw_slice rest = mw_slice(zero + 1, key.len - name.len - 1);
  size_t at = put_text(out, 0, MW_STORE_KEY_WORDS - 40, name);
  out[at++] = ' ';
  if (rest.len != 8 || is_printable(rest)) {
    put_text(out, at, MW_STORE_KEY_WORDS, rest);
    return out;
  }
  uint64_t number = 0;
  for (size_t i = 0; i < 8; i++) number = number << 8 | rest.data[i];
  snprintf(out + at, MW_STORE_KEY_WORDS - at, "%lld", (long long)(number ^ (uint64_t)1 << 63));
  return out;
}
