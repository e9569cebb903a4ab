/* The files that every pool has: google.protobuf's, google.rpc's, and those of the built-in services.
 *
 * A folder may contain copies of them, at any path and with fewer types. A copy replaces the built-in file. The C code
 * relies on the fields of some built-in types, so a copy with other fields is refused here, before anything uses it. A
 * service may lack methods. */
#ifndef MW_SCHEMA_POOL_BUILTIN_H
#define MW_SCHEMA_POOL_BUILTIN_H

#include "schema/pool/build.h"

/* Declares the built-in files that the given ones do not replace. Call it after the given files are declared. If a
 * built-in file was replaced by files at other paths, its path becomes a file that imports those publicly: imports of
 * the path still find the types. Fails with MW_EEXIST, MW_EFORMAT or MW_ENOMEM. */
int mw_builtin_declare(struct mw_builder *b, const struct mw_descriptor_set *own);

/* Compares the given files' copies of built-in types with `own`. Call it after all files are declared and before they
 * are linked. Fails with MW_ENOMEM, or with MW_EFORMAT and a finding that has FILE:LINE, the expected definition and
 * the one found. */
int mw_builtin_check(struct mw_builder *b, const struct mw_descriptor_set *own);

#endif
