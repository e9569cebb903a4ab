/* The state that all files of the engine share. Used on the loop's thread alone.
 *
 * Handles that libuv closes asynchronously (listeners, connections, the turn's handles) lie in the engine or point to
 * it. So the engine is freed once the last of them is closed. */
#ifndef MW_ENGINE_HTTP_CONN_ENGINE_H
#define MW_ENGINE_HTTP_CONN_ENGINE_H

#include <nghttp2/nghttp2.h>

#include "base/buf.h"
#include "engine/http/h2/batch.h"
#include "engine/http/limits/reasons.h"
#include "engine/http/limits/keepalive.h"
#include "engine/http/h2/memory.h"
#include "engine/http/sharing/worker_pool.h"
#include "engine/http/conn/turn.h"
#include "loop/acceptor.h"
#include "rpc/engine.h"

enum { MW_HTTP_INPUT = 64 * 1024 };

struct mw_http_engine {
  struct mw_engine base;
  struct mw_loop *loop;
  struct mw_dispatch *dispatch;
  size_t max_receive_bytes, max_metadata_bytes;
  struct mw_engine_limits limits; /* defaults filled in */
  struct mw_http_endings endings;
  _Atomic unsigned conns_open; /* limits.open points here by default */
  struct mw_http_keeper keeper;
  struct mw_http_turn turn;
  struct mw_acceptors acceptors; /* see listener.h */
  struct mw_list conns;          /* struct mw_http_conn.link */
  struct mw_list pool;           /* struct mw_http_call.link: calls for reuse */
  size_t n_pool;
  struct mw_http_tls_context *tls;      /* NULL for plain text */
  nghttp2_session_callbacks *callbacks; /* shared by all sessions */
  nghttp2_option *option;
  struct mw_blocks blocks; /* memory of the sessions */
  nghttp2_mem memory;
  struct mw_buf scratch; /* for decompressing a message */

  /* Work sharing, see remote.h. NULL unless it is on. */
  struct mw_engine_team *team;
  struct mw_http_seat *seat;
  struct mw_list drafts;   /* struct mw_http_lane.drafted: batches to send */
  struct mw_list guests;   /* struct mw_http_remote.link: calls of other engines that run here */
  struct mw_dispatch away; /* dispatch of this engine's calls that run elsewhere */
  struct mw_router away_router;
  struct mw_route away_routes[2]; /* for a single request message, for a stream of them */

  unsigned open; /* open libuv handles, plus one until the engine is closed */
  bool draining, stopping, closing;
  bool late; /* the time to flush the last replies is over */
  struct mw_http_batch batch;
  uint8_t input[MW_HTTP_INPUT]; /* bytes of the newest read; valid within it */
};

static inline struct mw_http_engine *mw_http_engine_of(struct mw_engine *engine) {
  return MW_CONTAINER(engine, struct mw_http_engine, base);
}

/* Counts a handle that opens, or that has closed. The last to close frees the engine. */
static inline void mw_http_engine_enter(struct mw_http_engine *engine) { engine->open++; }
void mw_http_engine_leave(struct mw_http_engine *engine);

#endif
