#include "engine/core/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <grpc/grpc_posix.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum { PAUSE_NS = 100 * MW_NS_PER_MS }; /* after a connection could not be taken, for want of descriptors */

struct acceptor {
  uv_poll_t poll;
  struct mw_core_engine *engine;
  struct mw_list link; /* in server.acceptors */
  int fd;              /* owned */
  struct mw_timer *pause; /* runs while nothing is accepted; or NULL */
};

/* ---- peers ---- */

/* Keeps the name of the peer that is behind `fd` from now on. */
static bool keep_peer(struct mw_core_server *server, int fd, const struct sockaddr_storage *at, socklen_t size) {
  size_t i = (size_t)fd;
  if (i >= server->n_peers) {
    struct mw_core_peer *peers = realloc(server->peers, (i + 1) * sizeof *peers);
    if (!peers) return false;
    memset(peers + server->n_peers, 0, (i + 1 - server->n_peers) * sizeof *peers);
    server->peers = peers;
    server->n_peers = i + 1;
  }
  mw_peer_name(at, size, server->peers[i].name);
  return true;
}

const char *mw_core_acceptor_peer(const struct mw_core_engine *engine, const char *peer) {
  if (!peer || strncmp(peer, "fd:", 3) != 0) return NULL;
  unsigned long i = strtoul(peer + 3, NULL, 10);
  return i < engine->server.n_peers ? engine->server.peers[i].name : NULL;
}

/* ---- accepting ---- */

static void on_readable(uv_poll_t *poll, int status, int events);

static void resume(void *arg) {
  struct acceptor *acceptor = arg;
  acceptor->pause = NULL;
  uv_poll_start(&acceptor->poll, UV_READABLE, on_readable);
}

static void take(struct mw_core_server *server, int fd, const struct sockaddr_storage *at, socklen_t size) {
  if (!keep_peer(server, fd, at, size)) {
    close(fd);
    return;
  }
  grpc_server_credentials *credentials = grpc_insecure_server_credentials_create();
  grpc_server_add_channel_from_fd(server->grpc, fd, credentials);
  grpc_server_credentials_release(credentials);
}

/* One connection a turn: the other workers get theirs. */
static void on_readable(uv_poll_t *poll, int status, int events) {
  struct acceptor *acceptor = MW_CONTAINER(poll, struct acceptor, poll);
  struct sockaddr_storage at = {0};
  socklen_t size = sizeof at;
  int fd = accept4(acceptor->fd, (struct sockaddr *)&at, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) {
    take(&acceptor->engine->server, fd, &at, size);
  } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
    acceptor->pause = mw_timer_start(acceptor->engine->loop, PAUSE_NS, resume, acceptor);
    if (acceptor->pause) uv_poll_stop(&acceptor->poll); /* else it would come here again and again */
  }
}

/* ---- opening and closing ---- */

static void on_closed(uv_handle_t *handle) {
  struct acceptor *acceptor = MW_CONTAINER((uv_poll_t *)handle, struct acceptor, poll);
  close(acceptor->fd);
  free(acceptor);
}

int mw_core_accept_from(struct mw_core_engine *engine, int fd, const char *address, struct mw_err *err) {
  if (engine->server.certs) {
    return mw_err_set(err, MW_EUNSUPPORTED,
                      "cannot listen on %s: engine core speaks TLS on HOST:PORT only, there is --engine http", address);
  }
  struct acceptor *acceptor = calloc(1, sizeof *acceptor);
  if (!acceptor) return mw_err_set(err, MW_ENOMEM, "out of memory");
  acceptor->engine = engine;
  acceptor->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  int rc = acceptor->fd < 0 ? -errno : uv_poll_init(&engine->loop->uv, &acceptor->poll, acceptor->fd);
  if (rc != 0) {
    if (acceptor->fd >= 0) close(acceptor->fd);
    free(acceptor);
    return mw_err_set(err, MW_EIO, "cannot listen on %s: %s", address, uv_strerror(rc));
  }
  uv_poll_start(&acceptor->poll, UV_READABLE, on_readable);
  mw_list_push(&engine->server.acceptors, &acceptor->link);
  return 0;
}

void mw_core_acceptors_close(struct mw_core_engine *engine) {
  struct mw_list *link;
  while ((link = mw_list_shift(&engine->server.acceptors))) {
    struct acceptor *acceptor = MW_CONTAINER(link, struct acceptor, link);
    mw_timer_stop(acceptor->pause);
    uv_close((uv_handle_t *)&acceptor->poll, on_closed);
  }
}
