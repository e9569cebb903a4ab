/* Conversions between core's metadata and struct mw_metadata. */
#ifndef MW_ENGINE_CORE_METADATA_H
#define MW_ENGINE_CORE_METADATA_H

#include <grpc/grpc.h>

#include "rpc/metadata.h"

/* Makes a view of core's `array`, without gRPC's own entries. The bytes stay core's; the table is in the arena. Returns
 * 0 or MW_ENOMEM. */
int mw_core_metadata_view(struct mw_metadata *out, const grpc_metadata_array *array, struct mw_arena *arena);

/* Returns the value of a key in core's array, gRPC's own entries included; empty if there is none. */
struct mw_slice mw_core_metadata_find(const grpc_metadata_array *array, const char *key);

/* Copies `metadata` to `out`, which must have room for all of it. Omits entries that core would refuse. Returns the
 * number of copied entries. */
size_t mw_core_metadata_fill(const struct mw_metadata *metadata, grpc_metadata *out);

/* Returns a copy of one entry in core's form. */
grpc_metadata mw_core_metadata_entry(struct mw_slice key, struct mw_slice value);

/* Releases the slices of entries that the two functions above made. */
void mw_core_metadata_release(grpc_metadata *entries, size_t n);

#endif
