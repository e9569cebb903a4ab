/* Between core's metadata and ours. */
#ifndef MW_ENGINE_CORE_METADATA_H
#define MW_ENGINE_CORE_METADATA_H

#include <grpc/grpc.h>

#include "rpc/metadata.h"

/* A view of core's `array`, without the entries that belong to gRPC. The bytes stay core's, the table is the
 * arena's. Returns 0 or MW_ENOMEM. */
int mw_core_metadata_view(struct mw_metadata *out, const grpc_metadata_array *array, struct mw_arena *arena);

/* The value of one key in core's array, gRPC's own included; empty when there is none. */
struct mw_slice mw_core_metadata_find(const grpc_metadata_array *array, const char *key);

/* Copies `metadata` to `out`, which has room for all of it; what core would refuse is left out. Returns how many. */
size_t mw_core_metadata_fill(const struct mw_metadata *metadata, grpc_metadata *out);
grpc_metadata mw_core_metadata_entry(struct mw_slice key, struct mw_slice value);

/* Releases the slices of entries made by the two functions above. */
void mw_core_metadata_release(grpc_metadata *entries, size_t n);

#endif
