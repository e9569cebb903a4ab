/* The table from paths to methods and their handlers. A generation has one in each worker. It is immutable once
 * calls use it, and calls pin it. */
#ifndef MW_RPC_ROUTER_H
#define MW_RPC_ROUTER_H

#include "base/map.h"
#include "rpc/call.h"

struct mw_router;

struct mw_route {
  const struct mw_method_type *method;
  const struct mw_handler *handler;
  void *arg;                     /* for the handler, such as the function */
  struct mw_router *router;      /* pinned by its calls */
  const struct mw_route *shared; /* the route of another table, which calls use instead; NULL for none */
};

struct mw_router {
  struct mw_map routes; /* path -> struct mw_route, owned */
  /* name -> const struct mw_service_type: services of the routes, and of mw_router_add_service() */
  struct mw_map services;
  const struct mw_pool *pool; /* borrowed: the generation's schema; set by the owner, NULL at first */
  uint64_t generation;
  size_t calls;                /* number of calls that pin it */
  void (*unpinned)(void *arg); /* runs when `calls` falls to 0; may be NULL */
  void *unpinned_arg;
};

/* Initialises an empty table. */
void mw_router_init(struct mw_router *router, uint64_t generation);
void mw_router_fini(struct mw_router *router);

/* Adds a method and its service. Replaces an earlier method of the same path. Returns 0 or MW_ENOMEM. */
int mw_router_add(struct mw_router *router, const struct mw_method_type *method, const struct mw_handler *handler,
                  void *arg);

/* Adds a method whose calls use `shared`, a route of a table that outlives this one, and pin only that table.
 * Returns 0 or MW_ENOMEM. */
int mw_router_alias(struct mw_router *router, const struct mw_method_type *method, const struct mw_route *shared);

/* Adds a service that may have no routes. Returns 0 or MW_ENOMEM. */
int mw_router_add_service(struct mw_router *router, const struct mw_service_type *service);

/* Returns the route of a path, or NULL. */
const struct mw_route *mw_router_find(const struct mw_router *router, struct mw_slice path);

/* Returns the service with this full name, or NULL. */
const struct mw_service_type *mw_router_service(const struct mw_router *router, struct mw_slice name);

/* True if a method of `service` has a route. */
bool mw_router_serves(const struct mw_router *router, const struct mw_service_type *service);

#endif
