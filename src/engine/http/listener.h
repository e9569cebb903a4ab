/* Sockets that accept connections for an engine. For a port each worker has its own, with SO_REUSEPORT: the kernel shares
 * the connections out. A socket that was made before the workers they share: the first to accept has the connection.
 *
 * A connection that cannot be served, for the limit of connections or for want of memory, is taken and closed: libuv
 * would offer no other before. The handle for that is the engine's spare, so it needs no memory; while it is in use, the
 * next one waits. Without file descriptors libuv does the same with one that it keeps for that. */
#ifndef MW_ENGINE_HTTP_LISTENER_H
#define MW_ENGINE_HTTP_LISTENER_H

#include "engine/http/engine.h"

struct mw_http_listener {
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
  } uv;
  struct mw_http_engine *engine;
  struct mw_list link; /* in engine->listeners */
  bool waiting;        /* a connection waits for the spare handle */
};

/* Listens on "HOST:PORT" or "[IPV6]:PORT", on each address that a name stands for. Returns 0, MW_EINVAL (another form),
 * MW_EIO or MW_ENOMEM; after an error some may listen, until the engine is closed. */
int mw_http_listen(struct mw_http_engine *engine, const char *address, struct mw_err *err);

/* As in rpc/engine.h. */
int mw_http_accept_from(struct mw_http_engine *engine, int fd, const char *address, struct mw_err *err);

void mw_http_listeners_close(struct mw_http_engine *engine);

#endif
