#include "engine/core/connections.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/clock.h"

enum { REST = 10 }; /* pause after a sweep, as a multiple of its duration */

struct connection {
  int fd;
  uint64_t cookie; /* mw_core_socket_cookie() */
};

struct mw_engine_team {
  pthread_mutex_t lock; /* guards the members below */
  struct connection *connections;
  size_t n, room;
  int64_t sweep; /* earliest mw_clock_real() time of the next sweep */
};

struct mw_engine_team *mw_core_team_new(unsigned size) {
  struct mw_engine_team *team = calloc(1, sizeof *team);
  if (team) pthread_mutex_init(&team->lock, NULL);
  return team;
}

void mw_core_team_free(struct mw_engine_team *team) {
  if (!team) return;
  pthread_mutex_destroy(&team->lock);
  free(team->connections);
  free(team);
}

uint64_t mw_core_socket_cookie(int fd) {
  uint64_t cookie = 0;
  socklen_t size = sizeof cookie;
  return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

static void sweep(struct mw_engine_team *team) {
  int64_t began = mw_clock_real(), ended;
  if (began < team->sweep) return;
  size_t kept = 0;
  for (size_t i = 0; i < team->n; i++) {
    struct connection connection = team->connections[i];
    if (mw_core_socket_cookie(connection.fd) == connection.cookie) team->connections[kept++] = connection;
  }
  team->n = kept;
  ended = mw_clock_real();
  team->sweep = ended + REST * (ended - began);
}

static bool grow(struct mw_engine_team *team) {
  if (team->n < team->room) return true;
  size_t room = team->room ? team->room * 2 : 64;
  struct connection *connections = realloc(team->connections, room * sizeof *connections);
  if (!connections) return false;
  team->connections = connections;
  team->room = room;
  return true;
}

static int add(struct mw_engine_team *team, int fd, unsigned most) {
  if (team->n >= most) sweep(team);
  if (team->n >= most) return MW_EBUSY;
  if (!grow(team)) return MW_ENOMEM;
  team->connections[team->n++] = (struct connection){fd, mw_core_socket_cookie(fd)};
  return 0;
}

int mw_core_team_admit(struct mw_engine_team *team, int fd, unsigned most) {
  pthread_mutex_lock(&team->lock);
  int rc = add(team, fd, most);
  pthread_mutex_unlock(&team->lock);
  return rc;
}
