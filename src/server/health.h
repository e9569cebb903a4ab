/* The built-in service grpc.health.v1.Health (gRPC Health Checking Protocol), of one worker. */
#ifndef MW_SERVER_HEALTH_H
#define MW_SERVER_HEALTH_H

#include "loop/loop.h"
#include "rpc/dispatch.h"
#include "store/store.h"

struct mw_health {
  struct mw_list watchers; /* live Watch calls */
  bool serving;
  struct mw_loop *loop;
  struct mw_store *store;  /* while it is unhealthy, the status is NOT_SERVING; NULL for none */
  struct mw_timer *look;   /* the next look at the store; NULL without watchers */
};

/* Borrows `loop` and `store`. */
void mw_health_init(struct mw_health *health, struct mw_loop *loop, struct mw_store *store);

/* Before the loop ends. No watcher is left. */
void mw_health_fini(struct mw_health *health);

/* Adds its methods to `router`; a script's handlers may replace them. A folder's own copy of the service may lack some:
 * these are left out. Borrows `health` and `pool`. Returns 0 or MW_ENOMEM. */
int mw_health_route(struct mw_health *health, struct mw_router *router, const struct mw_pool *pool);

/* Tells every watcher, and whoever asks from now on, that nothing is served any more. The watchers' calls end, with
 * UNAVAILABLE: nothing else would end them, and a server that drains would wait for them. */
void mw_health_stop(struct mw_health *health);

#endif
