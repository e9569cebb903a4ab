/* The built-in service grpc.health.v1.Health (gRPC Health Checking Protocol), of one worker. It answers by the services of
 * the generation in force, `dispatch->router`, which replaces another under an open Watch. */
#ifndef MW_SERVER_HEALTH_H
#define MW_SERVER_HEALTH_H

#include "loop/loop.h"
#include "rpc/dispatch.h"
#include "store/store.h"

struct mw_health {
  struct mw_list watchers; /* live Watch calls */
  bool serving;
  const struct mw_dispatch *dispatch;
  struct mw_loop *loop;
  struct mw_store *const *store; /* while it is unhealthy, the status is NOT_SERVING; NULL for none */
  struct mw_timer *look;   /* the next look at the store; NULL without watchers */
  struct mw_post follow;   /* looks after a generation has come into force */
  bool following;          /* `follow` is queued */
};

/* Borrows all; `store` is where the pointer to the store in use is. */
void mw_health_init(struct mw_health *health, const struct mw_dispatch *dispatch, struct mw_loop *loop,
                    struct mw_store *const *store);

/* Before the loop ends. No watcher is left. */
void mw_health_fini(struct mw_health *health);

/* Adds its methods, which `pool` has, to `router`. Borrows `health` and `pool`. Returns 0 or MW_ENOMEM. */
int mw_health_route(struct mw_health *health, struct mw_router *router, const struct mw_pool *pool);

/* Another generation is in force: sends each watcher the status that its service has now, if it is another one. Later, in
 * a post: a call may be on its way into its handler. */
void mw_health_follow(struct mw_health *health);

/* Tells every watcher, and whoever asks from now on, that nothing is served any more. The watchers' calls end, with
 * UNAVAILABLE: nothing else would end them, and a server that drains would wait for them. */
void mw_health_stop(struct mw_health *health);

#endif
