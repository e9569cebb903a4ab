/* The table from paths to methods and what runs them. A generation has one in each worker; it is immutable once
 * calls use it, and calls pin it. */
#ifndef MW_RPC_ROUTER_H
#define MW_RPC_ROUTER_H

#include "base/map.h"
#include "rpc/call.h"

struct mw_router;

struct mw_route {
  const struct mw_method_type *method;
  const struct mw_handler *handler;
  void *arg;                 /* the handler's, e.g. which function */
  struct mw_router *router;  /* that its calls pin */
  const struct mw_route *shared; /* the route of another table, which calls take in place of this one; NULL for none */
};

struct mw_router {
  struct mw_map routes;   /* path -> struct mw_route, owned */
  struct mw_map services; /* name -> const struct mw_service_type: those of the routes, and of mw_router_add_service() */
  const struct mw_pool *pool; /* borrowed: the schema of the generation; the owner sets it, NULL at first */
  uint64_t generation;
  size_t calls;         /* that pin it */
  void (*unpinned)(void *arg); /* runs when `calls` falls to 0; may be NULL */
  void *unpinned_arg;
};

/* Starts empty. */
void mw_router_init(struct mw_router *router, uint64_t generation);
void mw_router_fini(struct mw_router *router);

/* Adds a method and its service, replacing an earlier method of the same path. Returns 0 or MW_ENOMEM. */
int mw_router_add(struct mw_router *router, const struct mw_method_type *method, const struct mw_handler *handler,
                  void *arg);

/* Adds a method whose calls take `shared`, a route of a table that outlives this one, and pin that table alone. The same
 * returns. */
int mw_router_share(struct mw_router *router, const struct mw_method_type *method, const struct mw_route *shared);

/* Adds a service that may have no routes. Returns 0 or MW_ENOMEM. */
int mw_router_add_service(struct mw_router *router, const struct mw_service_type *service);

/* The route of a path, or NULL. */
const struct mw_route *mw_router_find(const struct mw_router *router, struct mw_slice path);

/* The service that was added under this full name, or NULL. */
const struct mw_service_type *mw_router_service(const struct mw_router *router, struct mw_slice name);

/* True if a method of `service` has a route. */
bool mw_router_serves(const struct mw_router *router, const struct mw_service_type *service);

#endif
