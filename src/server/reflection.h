/* The built-in services grpc.reflection.v1 and v1alpha.ServerReflection: one protocol under two names. */
#ifndef MW_SERVER_REFLECTION_H
#define MW_SERVER_REFLECTION_H

#include "rpc/router.h"

/* Adds their methods to `router`; a script's handlers may replace them. A folder's own copy of a service may lack its
 * method, which is left out then. Borrows `pool`, the schema to serve. Returns 0 or MW_ENOMEM. */
int mw_reflection_route(struct mw_router *router, const struct mw_pool *pool);

#endif
