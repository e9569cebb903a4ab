/* Metadata: the headers and trailers of a call (gRPC over HTTP/2, "Custom-Metadata").
 *
 * Keys are lower case. Values of keys that end in "-bin" are raw bytes here; the engine does the base64. Entries keep
 * their order, a key may repeat. All memory is the arena's. */
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

/* Bytes that HTTP/2 counts for a field beside its name and value (RFC 9113, 6.5.2), and the most bytes of headers, or of
 * trailers, that an application may send: mw_metadata_fits(). */
enum { MW_METADATA_OVERHEAD = 32, MW_METADATA_MOST = 64 * 1024 };

/* Adds a copy. The key and value are valid already (mw_metadata_check()). Returns 0 or MW_ENOMEM. */
int mw_metadata_add(struct mw_metadata *metadata, struct mw_arena *arena, struct mw_slice key, struct mw_slice value);

/* The same without copying: the bytes live as long as the arena. */
int mw_metadata_add_view(struct mw_metadata *metadata, struct mw_arena *arena, struct mw_slice key,
                         struct mw_slice value);

/* True if an application may add this entry. */
static inline bool mw_metadata_fits(const struct mw_metadata *metadata, struct mw_slice key, struct mw_slice value) {
  return metadata->bytes + key.len + value.len + MW_METADATA_OVERHEAD <= MW_METADATA_MOST;
}

/* The first value of `key`, or NULL. */
const struct mw_slice *mw_metadata_get(const struct mw_metadata *metadata, const char *key);

/* Whether a key ends in "-bin". */
bool mw_metadata_is_binary(struct mw_slice key);

/* Checks what an application wants to send: the key is 1 to 128 of [0-9a-z_.-], not "grpc-..." or "-bin" and none of
 * HTTP's own; the value is printable ASCII unless the key is binary. Returns 0 or MW_EINVAL with the reason. */
int mw_metadata_check(struct mw_slice key, struct mw_slice value, struct mw_err *err);

#endif
