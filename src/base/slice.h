/* A view of bytes that another object owns. */
#ifndef MW_BASE_SLICE_H
#define MW_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct mw_slice {
  const uint8_t *data; /* may be NULL when len is 0 */
  size_t len;          /* bytes */
};

static inline struct mw_slice mw_slice(const void *data, size_t len) {
  return (struct mw_slice){(const uint8_t *)data, len};
}

/* The bytes of a C string, without its terminator. */
static inline struct mw_slice mw_slice_str(const char *text) { return mw_slice(text, strlen(text)); }

static inline bool mw_slice_eq(struct mw_slice a, struct mw_slice b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool mw_slice_eq_str(struct mw_slice a, const char *text) { return mw_slice_eq(a, mw_slice_str(text)); }

#endif
