/* The built-in files, and the messages with a mapping of their own in Lua and in JSON. */
#ifndef MW_SCHEMA_POOL_WELLKNOWN_H
#define MW_SCHEMA_POOL_WELLKNOWN_H

#include "schema/type/type.h"

/* Returns the serialised FileDescriptorSet of the files that are built into every pool, static. */
struct mw_slice mw_schema_wellknown(void);

/* Finds the kind by full name. mw_builtin_check() ensures that a type of such a name has the fields that code relies
 * on. */
enum mw_wellknown mw_wellknown_kind(const char *full_name);

#endif
