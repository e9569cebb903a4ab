/* The engine's own state, which its files share. One thread, that of the loop.
 *
 * Everything that libuv closes later (listeners, connections, the handles of the turn) lies in the engine or points to
 * it: the engine is freed with the last of them. */
#ifndef MW_ENGINE_HTTP_ENGINE_H
#define MW_ENGINE_HTTP_ENGINE_H

#include <nghttp2/nghttp2.h>

#include "base/buf.h"
#include "engine/http/batch.h"
#include "engine/http/ending.h"
#include "engine/http/keepalive.h"
#include "engine/http/memory.h"
#include "engine/http/team.h"
#include "engine/http/turn.h"
#include "loop/acceptor.h"
#include "rpc/engine.h"

enum { MW_HTTP_INPUT = 64 * 1024 };

struct mw_http_engine {
  struct mw_engine base;
  struct mw_loop *loop;
  struct mw_dispatch *dispatch;
  size_t max_receive_bytes, max_metadata_bytes;
  struct mw_engine_limits limits; /* with the defaults in their places */
  struct mw_http_endings endings;
  _Atomic unsigned conns_open; /* what limits.open points to by default */
  struct mw_http_keeper keeper;
  struct mw_http_turn turn;
  struct mw_acceptors acceptors; /* see listener.h */
  struct mw_list conns;     /* struct mw_http_conn.link */
  struct mw_list pool;      /* struct mw_http_call.link: calls that wait for reuse */
  size_t n_pool;
  struct mw_http_tls_context *tls;      /* NULL for plain text */
  nghttp2_session_callbacks *callbacks; /* of all sessions */
  nghttp2_option *option;
  struct mw_blocks blocks;  /* what sessions are made of */
  nghttp2_mem memory;
  struct mw_buf scratch;    /* a message that was compressed */

  /* What engines pass on to each other: see remote.h. Without a team there is no seat, and nothing is. */
  struct mw_engine_team *team;
  struct mw_http_seat *seat;
  struct mw_list drafts;    /* struct mw_http_lane.drafted: to be sent */
  struct mw_list guests;    /* struct mw_http_remote.link: calls of others that run here */
  struct mw_dispatch away;  /* of its own calls that run elsewhere */
  struct mw_router away_router;
  struct mw_route away_routes[2]; /* of a request that is one message, and of a stream */

  unsigned open;            /* handles that libuv has, and the engine itself until it is closed */
  bool draining, stopping, closing;
  bool late;                /* last words have had their time */
  struct mw_http_batch batch;
  uint8_t input[MW_HTTP_INPUT]; /* what was just read; valid within the read */
};

static inline struct mw_http_engine *mw_http_engine_of(struct mw_engine *engine) {
  return MW_CONTAINER(engine, struct mw_http_engine, base);
}

/* A handle begins, or is closed: the last one to go frees the engine. */
static inline void mw_http_engine_enter(struct mw_http_engine *engine) { engine->open++; }
void mw_http_engine_leave(struct mw_http_engine *engine);

#endif
