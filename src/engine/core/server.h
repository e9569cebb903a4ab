/* The serving half: a grpc_server whose calls all go to the worker's dispatch.
 *
 * Several requests for a next call are kept pending, so that a burst does not wait for one event each. Calls, and the
 * requests that become calls, are pooled. */
#ifndef MW_ENGINE_CORE_SERVER_H
#define MW_ENGINE_CORE_SERVER_H

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include "engine/core/backlog.h"
#include "engine/core/handoff.h"
#include "engine/core/queue.h"
#include "engine/core/silent.h"
#include "engine/core/team.h"
#include "loop/acceptor.h"
#include "rpc/disconnect.h"
#include "rpc/engine.h"
#include "rpc/run_queue.h"

struct mw_core_engine;

/* Core does not name a call's connection. Calls wait in the lane that their peer's address hashes to; a collision has two
 * connections share a lane. */
enum { MW_CORE_LANES = 1024 };

struct mw_core_server {
  grpc_server *grpc;
  struct mw_core_certs *certs; /* NULL for plain text */
  struct mw_list calls; /* struct mw_core_call.link: requested or live */
  size_t n_calls;
  struct mw_list pool;  /* of calls that wait for reuse */
  struct mw_run_lane lanes[MW_CORE_LANES];
  uint64_t seed;        /* of the hash */
  size_t n_pool;
  struct mw_core_backlogs backlogs; /* of what is to be sent */
  struct mw_acceptors acceptors; /* engine/core/acceptor.h */
  struct mw_core_handoff handoff;
  struct mw_engine_team *team;   /* counts connections */
  bool alone;                    /* the team is this engine's, and owned */
  unsigned connections;          /* that all engines of the team may have; 0: no limit */
  int user_timeout_ms;           /* TCP_USER_TIMEOUT of connections; 0: none */
  struct mw_disconnects refused, waiting, no_memory;
  struct mw_core_silent silent;
  struct mw_core_tag shutdown;
  bool draining;        /* takes no new calls */
  bool down;            /* core has shut it down: no call is left in it */
};

/* Returns 0, MW_EINVAL (TLS files) or MW_ENOMEM. */
int mw_core_server_init(struct mw_core_engine *engine, const struct mw_engine_config *config, struct mw_err *err);

/* As in rpc/engine.h. */
int mw_core_server_listen(struct mw_core_engine *engine, const char *address, struct mw_err *err);
int mw_core_server_accept_from(struct mw_core_engine *engine, int fd, const char *address, struct mw_err *err);
void mw_core_server_start(struct mw_core_engine *engine);
void mw_core_server_drain(struct mw_core_engine *engine);

/* Whether a server that drains has nothing more to do. */
bool mw_core_server_is_idle(const struct mw_core_engine *engine);

/* Ends what is left: afterwards no call exists and no event of the server will come. */
void mw_core_server_fini(struct mw_core_engine *engine);

/* The lane of the calls of a peer, which may be NULL. */
struct mw_run_lane *mw_core_server_lane(struct mw_core_engine *engine, const char *peer);

/* Calls wait for more than a turn: watches all that do. */
void mw_core_server_await(struct mw_core_engine *engine);

/* Asks core for one more call. */
void mw_core_server_request(struct mw_core_engine *engine);

#endif
