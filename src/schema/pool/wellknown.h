/* Messages that have a mapping of their own in Lua and in JSON. */
#ifndef MW_SCHEMA_POOL_WELLKNOWN_H
#define MW_SCHEMA_POOL_WELLKNOWN_H

#include "schema/pool/pool.h"

/* Finds the kind by full name. mw_builtin_check() ensures that a type of such a name has the fields that code relies
 * on. */
enum mw_wellknown mw_wellknown_kind(const char *full_name);

#endif
