#include "engine/http/listener.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "engine/http/conn/conn_io.h"

static void drop(struct mw_http_engine *engine, int fd, enum mw_http_reason reason) {
  mw_http_engine_report(engine, reason, NULL, NULL);
  close(fd);
}

static void on_accepted(void *arg, int fd, const struct sockaddr_storage *peer, socklen_t size) {
  struct mw_http_engine *engine = arg;
  unsigned most = engine->limits.connections;
  if (most > 0 && atomic_load_explicit(engine->limits.open, memory_order_relaxed) >= most) {
    drop(engine, fd, MW_HTTP_REASON_CONNECTIONS);
  } else if (!mw_http_conn_accept(engine, fd, peer, size)) {
    drop(engine, fd, MW_HTTP_REASON_MEMORY);
  }
}

static void on_failed(void *arg, int error, bool waits) {
  mw_http_engine_report(arg, waits ? MW_HTTP_REASON_BACKLOG : MW_HTTP_REASON_CONNECTIONS, NULL, strerror(error));
}

void mw_http_listeners_init(struct mw_http_engine *engine) {
  mw_acceptors_init(&engine->acceptors, engine->loop, on_accepted, on_failed, engine);
}
