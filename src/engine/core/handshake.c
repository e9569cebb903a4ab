#include "engine/core/handshake.h"

#include <stdlib.h>

#include "base/clock.h"
#include "engine/core/connections.h"
#include "engine/core/received.h"
#include "rpc/peer.h"

enum { MOST = 4096 };

struct noted {
  struct mw_list link;
  int fd;
  uint64_t cookie;
  int64_t due; /* mw_clock_real() */
  char peer[MW_PEER_MAX];
};

void mw_core_handshake_init(struct mw_core_handshake *silent, struct mw_loop *loop, struct mw_metrics *metrics,
                            double seconds) {
  *silent = (struct mw_core_handshake){.loop = loop, .metrics = metrics, .patience = mw_duration_from_seconds(seconds)};
  mw_list_init(&silent->sockets);
}

static void forget(struct mw_core_handshake *silent, struct noted *noted) {
  silent->n--;
  mw_list_remove(&noted->link);
  free(noted);
}

static struct noted *oldest(const struct mw_core_handshake *silent) {
  return mw_list_empty(&silent->sockets) ? NULL : MW_CONTAINER(silent->sockets.next, struct noted, link);
}

void mw_core_handshake_fini(struct mw_core_handshake *silent) {
  mw_timer_stop(silent->timer);
  silent->timer = NULL;
  while (oldest(silent)) forget(silent, oldest(silent));
}

/* Returns true if the descriptor is still the same socket, connected, and has received no byte. */
static bool is_silent(const struct noted *noted) {
  return mw_core_socket_cookie(noted->fd) == noted->cookie && mw_core_has_received_nothing(noted->fd);
}

static void look(struct mw_core_handshake *silent);

static void on_timer(void *arg) {
  struct mw_core_handshake *silent = arg;
  silent->timer = NULL;
  look(silent);
}

static void look(struct mw_core_handshake *silent) {
  struct noted *noted;
  while ((noted = oldest(silent)) && noted->due <= mw_clock_real()) {
    if (is_silent(noted)) {
      mw_disconnect_report(&silent->past, silent->metrics, "handshake", MW_DISCONNECT_HANDSHAKE, noted->peer, NULL);
    }
    forget(silent, noted);
  }
  if (noted) silent->timer = mw_timer_start_real(silent->loop, noted->due - mw_clock_real(), on_timer, silent);
}

void mw_core_handshake_add(struct mw_core_handshake *silent, int fd, const struct sockaddr_storage *peer,
                           socklen_t size) {
  if (peer->ss_family != AF_INET && peer->ss_family != AF_INET6) return;
  struct noted *noted = silent->n < MOST ? malloc(sizeof *noted) : NULL;
  if (!noted) return;
  noted->fd = fd;
  noted->cookie = mw_core_socket_cookie(fd);
  noted->due = mw_time_add(mw_clock_real(), silent->patience);
  mw_peer_name(peer, size, noted->peer);
  mw_list_init(&noted->link);
  mw_list_push(&silent->sockets, &noted->link);
  silent->n++;
  if (!silent->timer) look(silent);
}
