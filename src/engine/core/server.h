/* The serving half: a grpc_server that passes all calls to the worker's dispatch.
 *
 * Several requests for a next call are pending at a time, so that a burst of calls does not need one event for each.
 * Calls, and the requests that become calls, are pooled. */
#ifndef MW_ENGINE_CORE_SERVER_H
#define MW_ENGINE_CORE_SERVER_H

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include "engine/core/backlog.h"
#include "engine/core/connections.h"
#include "engine/core/handoff.h"
#include "engine/core/handshake.h"
#include "engine/core/queue.h"
#include "loop/acceptor.h"
#include "rpc/disconnect.h"
#include "rpc/engine.h"
#include "rpc/run_queue.h"

struct mw_core_engine;

/* Core does not expose the connection of a call. So a call waits in the lane that its peer's address hashes to; if two
 * addresses collide, their connections share a lane. */
enum { MW_CORE_LANES = 1024 };

struct mw_core_server {
  grpc_server *grpc;
  struct mw_core_certs *certs; /* NULL for plain text */
  struct mw_list calls;        /* struct mw_core_call.link: requested or live */
  size_t n_calls;
  struct mw_list pool; /* struct mw_core_call.link: calls for reuse */
  struct mw_run_lane lanes[MW_CORE_LANES];
  uint64_t seed; /* of the hash */
  size_t n_pool;
  struct mw_core_backlogs backlogs; /* unsent bytes of connections */
  struct mw_acceptors acceptors;    /* engine/core/acceptor.h */
  struct mw_core_handoff handoff;
  struct mw_engine_team *team; /* counts connections */
  bool alone;                  /* the team is of this engine alone, and owned */
  unsigned connections;        /* limit for all engines of the team; 0: none */
  int user_timeout_ms;         /* TCP_USER_TIMEOUT of connections; 0: none */
  struct mw_disconnects refused, waiting, no_memory;
  struct mw_core_handshake silent;
  struct mw_core_tag shutdown;
  bool draining; /* accepts no new calls */
  bool down;     /* core's shutdown is complete: no call is left */
};

/* Returns 0, MW_EINVAL (TLS files) or MW_ENOMEM. */
int mw_core_server_init(struct mw_core_engine *engine, const struct mw_engine_config *config, struct mw_err *err);

/* Operations of rpc/engine.h. */
int mw_core_server_listen(struct mw_core_engine *engine, const char *address, struct mw_err *err);
int mw_core_server_accept_from(struct mw_core_engine *engine, int fd, const char *address, struct mw_err *err);
void mw_core_server_start(struct mw_core_engine *engine);
void mw_core_server_drain(struct mw_core_engine *engine);

/* Returns true once a draining server has no calls left. */
bool mw_core_server_is_idle(const struct mw_core_engine *engine);

/* Cancels the remaining calls and runs the last events of the server. */
void mw_core_server_fini(struct mw_core_engine *engine);

/* Watches all calls that wait in the run queue for a cancel. */
void mw_core_server_await(struct mw_core_engine *engine);

#endif
