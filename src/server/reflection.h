/* The built-in services grpc.reflection.v1 and v1alpha.ServerReflection: one protocol under two names. They answer by the
 * schema and the routes of the generation in force, `dispatch->router`, which replaces another under an open stream. */
#ifndef MW_SERVER_REFLECTION_H
#define MW_SERVER_REFLECTION_H

#include "rpc/dispatch.h"

/* Of all their methods. */
extern const struct mw_handler mw_reflection_handler;

/* Adds their methods, which `pool` has, to `router`. Borrows `pool` and `dispatch`. Returns 0 or MW_ENOMEM. */
int mw_reflection_route(struct mw_router *router, const struct mw_pool *pool, const struct mw_dispatch *dispatch);

#endif
