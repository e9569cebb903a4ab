#include "engine/http/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/host_port.h"
#include "engine/http/conn.h"

enum { BACKLOG = 4096 };

/* ---- connections ---- */

static void take(struct mw_http_listener *listener);

static void on_dropped(uv_handle_t *handle) {
  struct mw_http_engine *engine = handle->data;
  engine->spare.busy = false;
  for (struct mw_list *link = engine->listeners.next; link != &engine->listeners; link = link->next) {
    struct mw_http_listener *listener = MW_CONTAINER(link, struct mw_http_listener, link);
    bool waiting = listener->waiting;
    listener->waiting = false;
    if (waiting) take(listener);
  }
  mw_http_engine_leave(engine);
}

static void drop(struct mw_http_listener *listener, enum mw_http_ending ending) {
  struct mw_http_engine *engine = listener->engine;
  struct mw_http_spare *spare = &engine->spare;
  listener->waiting = spare->busy;
  if (spare->busy) return;
  spare->busy = true;
  uv_tcp_init(&engine->loop->uv, &spare->uv.tcp);
  spare->uv.handle.data = engine;
  mw_http_engine_enter(engine);
  mw_http_ending(engine, ending, NULL, NULL);
  uv_accept(&listener->uv.stream, &spare->uv.stream);
  uv_close(&spare->uv.handle, on_dropped);
}

static void take(struct mw_http_listener *listener) {
  struct mw_http_engine *engine = listener->engine;
  unsigned most = engine->limits.connections;
  if (most > 0 && atomic_load_explicit(engine->limits.open, memory_order_relaxed) >= most) {
    drop(listener, MW_HTTP_END_REFUSED);
  } else if (!mw_http_conn_accept(engine, &listener->uv.stream)) {
    drop(listener, MW_HTTP_END_MEMORY);
  }
}

static void on_connection(uv_stream_t *stream, int status) {
  struct mw_http_listener *listener = MW_CONTAINER(stream, struct mw_http_listener, uv);
  if (status == 0) {
    take(listener);
  } else {
    mw_http_ending(listener->engine, MW_HTTP_END_REFUSED, NULL, uv_strerror(status));
  }
}

/* ---- listening ---- */

static void on_closed(uv_handle_t *handle) {
  struct mw_http_listener *listener = MW_CONTAINER(handle, struct mw_http_listener, uv);
  struct mw_http_engine *engine = listener->engine;
  free(listener);
  mw_http_engine_leave(engine);
}

/* Takes the bound socket, of any family: a uv_tcp_t is a stream like any other. Returns 0 or a negative errno. */
static int listen_at(struct mw_http_engine *engine, int fd) {
  struct mw_http_listener *listener = calloc(1, sizeof *listener);
  if (!listener) {
    close(fd);
    return -ENOMEM;
  }
  listener->engine = engine;
  uv_tcp_init(&engine->loop->uv, &listener->uv.tcp);
  mw_http_engine_enter(engine);
  mw_list_push(&engine->listeners, &listener->link);
  int rc = uv_tcp_open(&listener->uv.tcp, fd);
  if (rc != 0) {
    close(fd);
    return rc;
  }
  return uv_listen(&listener->uv.stream, BACKLOG, on_connection);
}

int mw_http_listen(struct mw_http_engine *engine, const char *address, struct mw_err *err) {
  struct addrinfo *infos;
  int rc = mw_host_port_resolve(&infos, address, err);
  if (rc != 0) return rc;
  for (const struct addrinfo *info = infos; info && rc == 0; info = info->ai_next) {
    int fd = mw_host_port_bind(info->ai_addr, info->ai_addrlen, true);
    rc = fd < 0 ? -errno : listen_at(engine, fd);
  }
  freeaddrinfo(infos);
  if (rc == 0) return 0;
  return mw_err_set(err, rc == -ENOMEM ? MW_ENOMEM : MW_EIO, "cannot listen on %s: %s", address, strerror(-rc));
}

int mw_http_accept_from(struct mw_http_engine *engine, int fd, const char *address, struct mw_err *err) {
  int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  int rc = own < 0 ? -errno : listen_at(engine, own);
  if (rc == 0) return 0;
  return mw_err_set(err, rc == -ENOMEM ? MW_ENOMEM : MW_EIO, "cannot listen on %s: %s", address, strerror(-rc));
}

void mw_http_listeners_close(struct mw_http_engine *engine) {
  struct mw_list *link;
  while ((link = mw_list_shift(&engine->listeners))) {
    uv_close(&MW_CONTAINER(link, struct mw_http_listener, link)->uv.handle, on_closed);
  }
}
