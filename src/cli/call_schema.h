/* Where `moonwire call` knows its method from. */
#ifndef MW_CLI_CALL_SCHEMA_H
#define MW_CLI_CALL_SCHEMA_H

#include "cli/call_options.h"
#include "schema/pool.h"

/* Loads the schema and finds the method in it. Returns 0 with a reference to the pool; MW_ENOTFOUND with the nearest
 * names and what to do; or what mw_schema_load() returns. */
int mw_call_find_method(const struct mw_call_options *options, struct mw_pool **pool,
                        const struct mw_method_type **method, struct mw_err *err);

#endif
