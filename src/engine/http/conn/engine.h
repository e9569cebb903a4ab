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
#include "engine/http/conn/turn.h"
#include "loop/acceptor.h"
#include "rpc/engine.h"

struct mw_http_call;
struct mw_http_engine;
struct mw_http_remote;
struct mw_http_slot;

/* The operations of work sharing (sharing/remote.h) that connections and calls use. */
struct mw_http_sharing {
  /* Passes a call that is about to start to another worker, if this worker is busy and the other is not. Returns true
   * if it did; the call has a handler then. */
  bool (*start)(struct mw_http_call *call);

  /* The call is over or abandoned. Cancels the remote call if it is not finished; releases the reference. */
  void (*end)(struct mw_http_remote *remote);

  /* Sends all pending batches of the engine. */
  void (*send)(struct mw_http_engine *engine);

  /* Publishes to the other workers whether this one is idle. */
  void (*set_idle)(struct mw_http_engine *engine, bool idle);
};

enum { MW_HTTP_INPUT = 64 * 1024 };

struct mw_http_engine {
  struct mw_engine base;
  struct mw_loop *loop;
  struct mw_dispatch *dispatch;
  size_t max_receive_bytes, max_metadata_bytes;
  struct mw_engine_limits limits; /* defaults filled in */
  struct mw_http_reasons reasons;
  _Atomic unsigned conns_open; /* limits.open points here by default */
  struct mw_http_keepalive_engine keepalive;
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

  /* Work sharing, see sharing/remote.h. NULL unless it is on. */
  const struct mw_http_sharing *sharing;
  struct mw_engine_team *worker_pool;
  struct mw_http_slot *slot;
  struct mw_list remote_calls; /* struct mw_http_remote.link: calls of other engines that run here */

  unsigned open; /* open libuv handles, plus one until the engine is closed */
  void (*free)(struct mw_http_engine *engine);
  bool draining, stopping, closing;
  bool flush_expired; /* the time to flush the last replies is over */
  struct mw_http_batch batch;
  uint8_t input[MW_HTTP_INPUT]; /* bytes of the newest read; valid within it */
};

static inline struct mw_http_engine *mw_http_engine_of(struct mw_engine *engine) {
  return MW_CONTAINER(engine, struct mw_http_engine, base);
}

/* Counts a handle that opens, or that has closed. The last to close frees the engine. */
static inline void mw_http_engine_enter(struct mw_http_engine *engine) { engine->open++; }
static inline void mw_http_engine_leave(struct mw_http_engine *engine) {
  if (--engine->open == 0) engine->free(engine);
}

static inline void mw_http_engine_set_idle(struct mw_http_engine *engine, bool idle) {
  if (engine->sharing) engine->sharing->set_idle(engine, idle);
}

static inline void mw_http_engine_send_shared(struct mw_http_engine *engine) {
  if (engine->sharing) engine->sharing->send(engine);
}

/* Reports a disconnect reason; `peer` and `detail` may be NULL. */
static inline void mw_http_engine_report(struct mw_http_engine *engine, enum mw_http_reason reason, const char *peer,
                                         const char *detail) {
  mw_http_reason_report(&engine->reasons, engine->dispatch->metrics, reason, peer, detail);
}

#endif
