/* Runs protoc, the protobuf compiler. */
#ifndef MW_SCHEMA_LOAD_PROTOC_H
#define MW_SCHEMA_LOAD_PROTOC_H

#include "base/buf.h"

/* Compiles `n` files, whose paths are relative to the first of `roots` (schema/pool/roots.h). Imports are searched
 * there first, then in the other roots and among the well-known types. Appends the serialised FileDescriptorSet,
 * imports and source information included, to `out`. Returns 0; MW_EFORMAT with one finding for each error of protoc,
 * "FILE:LINE:COL: message" with FILE below its root; MW_EIO (protoc cannot be run), MW_ELIMIT (it exceeded a bound of
 * the thread, see schema/load/subprocess.h), MW_ECLOSED (it was stopped) or MW_ENOMEM. */
int mw_protoc_compile(struct mw_buf *out, const char *const *roots, const char *const *files, size_t n,
                      struct mw_err *err);

#endif
