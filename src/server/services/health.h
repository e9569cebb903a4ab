/* The built-in service grpc.health.v1.Health (gRPC Health Checking Protocol) of one worker. It reports the services of
 * the generation in force, `dispatch->router`, which may be replaced during a Watch. */
#ifndef MW_SERVER_SERVICES_HEALTH_H
#define MW_SERVER_SERVICES_HEALTH_H

#include "loop/loop.h"
#include "rpc/dispatch.h"
#include "store/store.h"

struct mw_health {
  struct mw_list watchers; /* live Watch calls */
  bool serving;
  const struct mw_dispatch *dispatch;
  struct mw_loop *loop;
  struct mw_store *const *store; /* while it is unhealthy, the status is NOT_SERVING; NULL without a store */
  struct mw_timer *look;         /* timer of the next check of the store; NULL without watchers */
  struct mw_post follow;         /* updates the watchers after a generation has come into force */
  bool following;                /* `follow` is queued */
};

/* Borrows all arguments. `store` points to the pointer to the store in use. */
void mw_health_init(struct mw_health *health, const struct mw_dispatch *dispatch, struct mw_loop *loop,
                    struct mw_store *const *store);

/* Requires that no watcher is left. Called before the loop ends. */
void mw_health_fini(struct mw_health *health);

/* Adds the methods of the service, which `pool` has, to `router`. Borrows `health` and `pool`. Returns 0 or
 * MW_ENOMEM. */
int mw_health_route(struct mw_health *health, struct mw_router *router, const struct mw_pool *pool);

/* Sends each watcher the new status of its service, if it has changed with the generation in force. Does so later, in a
 * post, because a call may be on its way into its handler. */
void mw_health_follow(struct mw_health *health);

/* Sends NOT_SERVING to every watcher and ends the watchers' calls with UNAVAILABLE. Later calls get the same. Nothing
 * else would end the calls, and a server that drains would wait for them. */
void mw_health_stop(struct mw_health *health);

#endif
