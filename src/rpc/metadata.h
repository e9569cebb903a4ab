/* Metadata: the headers and trailers of a call (gRPC over HTTP/2, "Custom-Metadata").
 *
 * Keys are lower case. Values of keys that end in "-bin" are raw bytes here; the engine encodes and decodes base64.
 * Entries keep their order; a key may repeat. All memory belongs to the arena. */
#ifndef MW_RPC_METADATA_H
#define MW_RPC_METADATA_H

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

struct mw_metadata_entry {
  struct mw_slice key, value;
};

struct mw_metadata {
  struct mw_metadata_entry *entries;
  size_t len, cap;
  size_t bytes; /* of keys and values, and MW_METADATA_OVERHEAD for each entry */
};

/* MW_METADATA_OVERHEAD: bytes that HTTP/2 counts for a field besides its name and value (RFC 9113, 6.5.2).
 * MW_METADATA_MOST: greatest size of the headers, or trailers, of an application: mw_metadata_fits(). */
enum { MW_METADATA_OVERHEAD = 32, MW_METADATA_MOST = 64 * 1024 };

/* Adds a copy. Key and value were checked (mw_metadata_check()). Returns 0 or MW_ENOMEM. */
int mw_metadata_add(struct mw_metadata *metadata, struct mw_arena *arena, struct mw_slice key, struct mw_slice value);

/* Adds an entry without copying; its bytes must live as long as the arena. */
int mw_metadata_add_view(struct mw_metadata *metadata, struct mw_arena *arena, struct mw_slice key,
                         struct mw_slice value);

/* True if an application may add this entry. */
static inline bool mw_metadata_fits(const struct mw_metadata *metadata, struct mw_slice key, struct mw_slice value) {
  return metadata->bytes + key.len + value.len + MW_METADATA_OVERHEAD <= MW_METADATA_MOST;
}

/* Returns the first value of `key`, or NULL. */
const struct mw_slice *mw_metadata_get(const struct mw_metadata *metadata, const char *key);

/* True if a key ends in "-bin". */
bool mw_metadata_is_binary(struct mw_slice key);

/* Checks an entry of an application: the key is 1 to 128 of [0-9a-z_.-], not "grpc-..." or "-bin" and not reserved
 * by HTTP; the value is printable ASCII unless the key is binary. Returns 0 or MW_EINVAL with the reason. */
int mw_metadata_check(struct mw_slice key, struct mw_slice value, struct mw_err *err);

#endif
