/* The built-in services grpc.reflection.v1 and v1alpha.ServerReflection of one worker: one protocol under two names.
 * They report the schema and the routes of the generation in force, `dispatch->router`, which may be replaced during a
 * stream. */
#ifndef MW_SERVER_SERVICES_REFLECTION_H
#define MW_SERVER_SERVICES_REFLECTION_H

#include "rpc/dispatch.h"

struct mw_reflection {
  const struct mw_dispatch *dispatch;
  struct mw_list streams; /* live calls */
  bool stopped;
};

/* The handler of all its methods. */
extern const struct mw_handler mw_reflection_handler;

/* Borrows `dispatch`. */
void mw_reflection_init(struct mw_reflection *reflection, const struct mw_dispatch *dispatch);

/* Adds the methods, which `pool` has, to `router`. Borrows `reflection` and `pool`. Returns 0 or MW_ENOMEM. */
int mw_reflection_route(struct mw_reflection *reflection, struct mw_router *router, const struct mw_pool *pool);

/* Ends all streams, and later ones at their start, with UNAVAILABLE. Clients keep streams open between their requests,
 * and a server that drains would wait for them. */
void mw_reflection_stop(struct mw_reflection *reflection);

#endif
