/* Loads a folder of .proto files as a descriptor pool. */
#ifndef MW_SCHEMA_LOAD_LOAD_H
#define MW_SCHEMA_LOAD_LOAD_H

#include "base/buf.h"
#include "schema/pool/pool.h"

/* Compiles every *.proto below the first of `roots` (schema/pool/roots.h) with `protoc` as a subprocess, adds every
 * *.binpb descriptor set below it, and makes the pool. The search is recursive; import paths are relative to a root. A
 * first root that does not exist or is empty gives the pool of the well-known types. Of the other roots, only imported
 * files are compiled. Each protoc error becomes a finding "FILE:LINE:COL: message" with FILE relative to the working
 * directory. Returns 0; an error of mw_pool_load(); MW_EFORMAT (the files are wrong); MW_EIO (something is unreadable,
 * protoc cannot be run); or MW_ENOMEM. */
int mw_schema_load_from(struct mw_pool **out, const char *const *roots, struct mw_err *err);

/* As mw_schema_load_from() with one folder. */
int mw_schema_load(struct mw_pool **out, const char *dir, struct mw_err *err);

#endif
