/* The files that every pool has: google.protobuf's, google.rpc's, and those of the built-in services.
 *
 * A folder may bring copies of them, at any path and in part. A copy takes the place of the built-in file; code that
 * relies on a built-in type relies on its fields, so that a copy which differs in them is refused here, before
 * anything uses it. A service may lack methods. */
#ifndef MW_SCHEMA_BUILTIN_H
#define MW_SCHEMA_BUILTIN_H

#include "schema/build.h"

/* Declares the built-in files that the given ones do not replace; to be called after those are declared. A path
 * whose file was replaced by files at other paths becomes a file that imports these publicly, so that imports of it
 * still find the types. MW_EEXIST, MW_EFORMAT, MW_ENOMEM. */
int mw_builtin_declare(struct mw_builder *b, const struct mw_descriptor_set *own);

/* Compares the given files' copies of built-in types with `own`; to be called after everything is declared, and
 * before it is linked. MW_EFORMAT (the finding has FILE:LINE, the expected definition and the one given), MW_ENOMEM. */
int mw_builtin_check(struct mw_builder *b, const struct mw_descriptor_set *own);

#endif
