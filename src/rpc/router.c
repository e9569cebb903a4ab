#include "rpc/router.h"

#include <stdlib.h>

#include "schema/pool/pool.h"

void mw_router_init(struct mw_router *router, uint64_t generation) {
  *router = (struct mw_router){.routes = MW_MAP_INIT, .services = MW_MAP_INIT, .generation = generation};
}

void mw_router_fini(struct mw_router *router) {
  size_t cursor = 0;
  struct mw_route *route;
  while ((route = mw_map_next(&router->routes, &cursor, NULL))) free(route);
  mw_map_fini(&router->routes);
  mw_map_fini(&router->services);
}

int mw_router_add_service(struct mw_router *router, const struct mw_service_type *service) {
  return mw_map_set(&router->services, mw_slice_str(service->full_name), (void *)(uintptr_t)service);
}

static int add(struct mw_router *router, const struct mw_route *new) {
  struct mw_slice path = mw_slice_str(new->method->path);
  struct mw_route *route = mw_map_get(&router->routes, path);
  if (!route) {
    route = malloc(sizeof *route);
    if (!route || mw_map_set(&router->routes, path, route) != 0) {
      free(route);
      return MW_ENOMEM;
    }
  }
  *route = *new;
  return mw_router_add_service(router, new->method->service);
}

int mw_router_add(struct mw_router *router, const struct mw_method_type *method, const struct mw_handler *handler,
                  void *arg) {
  return add(router, &(struct mw_route){.method = method, .handler = handler, .arg = arg, .router = router});
}

int mw_router_alias(struct mw_router *router, const struct mw_method_type *method, const struct mw_route *shared) {
  return add(router, &(struct mw_route){.method = method, .router = router, .shared = shared});
}

const struct mw_route *mw_router_find(const struct mw_router *router, struct mw_slice path) {
  const struct mw_route *route = mw_map_get(&router->routes, path);
  return route && route->shared ? route->shared : route;
}

const struct mw_service_type *mw_router_service(const struct mw_router *router, struct mw_slice name) {
  return mw_map_get(&router->services, name);
}

bool mw_router_serves(const struct mw_router *router, const struct mw_service_type *service) {
  for (size_t i = 0; i < service->n_methods; i++) {
    if (mw_router_find(router, mw_slice_str(service->methods[i].path))) return true;
  }
  return false;
}
