#include "engine/core/acceptor.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

/* Sets the options that core sets on sockets of its own listeners. */
static void tune(const struct mw_core_server *server, int fd, sa_family_t family) {
  if (family != AF_INET && family != AF_INET6) return;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
  int ms = server->user_timeout_ms;
  if (ms > 0) setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof ms);
}

static void refuse(struct mw_core_engine *engine, int fd, int rc) {
  struct mw_core_server *server = &engine->server;
  struct mw_metrics *metrics = engine->dispatch->metrics;
  if (rc == MW_EBUSY) {
    mw_disconnect_report(&server->refused, metrics, "connections", MW_DISCONNECT_REFUSED, NULL, NULL);
  } else {
    mw_disconnect_report(&server->no_memory, metrics, "memory", MW_DISCONNECT_MEMORY, NULL, NULL);
  }
  close(fd);
}

static void on_accepted(void *arg, int fd, const struct sockaddr_storage *peer, socklen_t size) {
  struct mw_core_engine *engine = arg;
  struct mw_core_server *server = &engine->server;
  int rc = server->connections > 0 ? mw_core_team_admit(server->team, fd, server->connections) : 0;
  if (rc != 0) {
    refuse(engine, fd, rc);
    return;
  }
  tune(server, fd, peer->ss_family);
  mw_core_handshake_add(&server->silent, fd, peer, size);
  mw_core_handoff_give(&server->handoff, fd);
}

static void on_failed(void *arg, int error, bool waits) {
  struct mw_core_engine *engine = arg;
  struct mw_core_server *server = &engine->server;
  mw_disconnect_report(waits ? &server->waiting : &server->refused, engine->dispatch->metrics,
                       waits ? NULL : "connections", waits ? MW_DISCONNECT_WAITING : MW_DISCONNECT_REFUSED, NULL,
                       strerror(error));
}

void mw_core_acceptors_init(struct mw_core_engine *engine) {
  mw_acceptors_init(&engine->server.acceptors, engine->loop, on_accepted, on_failed, engine);
}
