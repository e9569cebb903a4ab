#include "loop/acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/host_port.h"

enum {
  BACKLOG = 4096,
  BATCH = 64, /* connections accepted a turn; 1 from a shared socket, so that other loops get theirs */
  PAUSE_NS = 100 * MW_NS_PER_MS,
};

struct acceptor {
  uv_poll_t poll;
  struct mw_acceptors *set; /* NULL once closed */
  struct mw_list link;      /* in set->list */
  int fd;                   /* owned */
  int batch;
  struct mw_timer *pause; /* runs while accepting is paused; NULL otherwise */
};

static void on_readable(uv_poll_t *poll, int status, int events);

/* ---- accepting ---- */

static int accept_one(const struct acceptor *acceptor, struct sockaddr_storage *peer, socklen_t *size) {
  return accept4(acceptor->fd, (struct sockaddr *)peer, size, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

void mw_acceptors_reserve(struct mw_acceptors *set) {
  if (set->reserve < 0) set->reserve = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void release(struct mw_acceptors *set) {
  if (set->reserve >= 0) close(set->reserve);
  set->reserve = -1;
}

/* Held during each accept(), so that no other loop takes the descriptor that the reserve has freed. */
static pthread_mutex_t accepting = PTHREAD_MUTEX_INITIALIZER;

static int accept_locked(const struct acceptor *acceptor, struct sockaddr_storage *peer, socklen_t *size) {
  pthread_mutex_lock(&accepting);
  int fd = accept_one(acceptor, peer, size);
  int error = errno;
  pthread_mutex_unlock(&accepting);
  errno = error;
  return fd;
}

/* Accepts the next connection with the reserved descriptor, and serves it or closes it because of `why`. Returns
 * false, with errno set, if accept() failed. */
static bool use_reserve(struct acceptor *acceptor, int why) {
  struct mw_acceptors *set = acceptor->set;
  struct sockaddr_storage peer = {0};
  socklen_t size = sizeof peer;
  pthread_mutex_lock(&accepting);
  release(set);
  int fd = accept_one(acceptor, &peer, &size), error = errno;
  if (fd >= 0 && !set->spends) close(fd);
  if (fd < 0 || !set->spends) mw_acceptors_reserve(set);
  pthread_mutex_unlock(&accepting);
  errno = error;
  if (fd < 0) return false;
  if (set->spends) {
    set->accepted(set->arg, fd, &peer, size);
  } else {
    set->failed(set->arg, why, false);
  }
  return true;
}

static void resume(void *arg) {
  struct acceptor *acceptor = arg;
  acceptor->pause = NULL;
  mw_acceptors_reserve(acceptor->set);
  uv_poll_start(&acceptor->poll, UV_READABLE, on_readable);
}

/* Without memory for the timer, the next turn retries. */
static void pause_for(struct acceptor *acceptor, int error) {
  acceptor->pause = mw_timer_start_real(acceptor->set->loop, PAUSE_NS, resume, acceptor);
  if (acceptor->pause) uv_poll_stop(&acceptor->poll);
  acceptor->set->failed(acceptor->set->arg, error, true);
}

static bool is_exhaustion(int error) {
  return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

/* Handles `error` from accept(). Returns true if the caller can accept again. Other errors concern one connection,
 * or mean that none is waiting: see accept(2). */
static bool recover(struct acceptor *acceptor, int error) {
  if (!is_exhaustion(error)) return error == ECONNABORTED || error == EINTR;
  if ((error == EMFILE || error == ENFILE) && acceptor->set->reserve >= 0) {
    if (use_reserve(acceptor, error)) return true;
    if (!is_exhaustion(errno)) return false; /* another thread has accepted it */
  }
  pause_for(acceptor, error);
  return false;
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  struct acceptor *acceptor = MW_CONTAINER(poll, struct acceptor, poll);
  for (int i = 0; acceptor->set && i < acceptor->batch; i++) { /* a callback may close it */
    struct sockaddr_storage peer = {0};
    socklen_t size = sizeof peer;
    int fd = accept_locked(acceptor, &peer, &size);
    if (fd >= 0) {
      acceptor->set->accepted(acceptor->set->arg, fd, &peer, size);
    } else if (!recover(acceptor, errno)) {
      return;
    }
  }
}

/* ---- opening and closing ---- */

void mw_acceptors_init(struct mw_acceptors *acceptors, struct mw_loop *loop,
                       void (*accepted)(void *arg, int fd, const struct sockaddr_storage *peer, socklen_t size),
                       void (*failed)(void *arg, int error, bool waits), void *arg) {
  *acceptors = (struct mw_acceptors){.loop = loop, .accepted = accepted, .failed = failed, .arg = arg, .reserve = -1};
  mw_list_init(&acceptors->list);
}

static void on_closed(uv_handle_t *handle) { free(MW_CONTAINER((uv_poll_t *)handle, struct acceptor, poll)); }

/* Takes `fd`, a listening socket. Returns 0 or a negative errno. */
static int add(struct mw_acceptors *set, int fd, int batch) {
  struct acceptor *acceptor = calloc(1, sizeof *acceptor);
  int rc = acceptor ? uv_poll_init(&set->loop->uv, &acceptor->poll, fd) : -ENOMEM;
  if (rc != 0) {
    free(acceptor);
    close(fd);
    return rc;
  }
  acceptor->set = set;
  acceptor->fd = fd;
  acceptor->batch = batch;
  mw_list_push(&set->list, &acceptor->link);
  mw_acceptors_reserve(set);
  return uv_poll_start(&acceptor->poll, UV_READABLE, on_readable);
}

static int fail(int rc, const char *address, struct mw_err *err) {
  return mw_err_set(err, rc == -ENOMEM ? MW_ENOMEM : MW_EIO, "cannot listen on %s: %s", address, strerror(-rc));
}

static int listen_at(struct mw_acceptors *set, const struct addrinfo *info) {
  int fd = mw_host_port_bind(info->ai_addr, info->ai_addrlen, true);
  if (fd < 0) return -errno;
  if (listen(fd, BACKLOG) == 0) return add(set, fd, BATCH);
  int rc = -errno;
  close(fd);
  return rc;
}

int mw_acceptors_listen(struct mw_acceptors *acceptors, const char *address, struct mw_err *err) {
  struct addrinfo *infos;
  int rc = mw_host_port_resolve(&infos, address, err);
  if (rc != 0) return rc;
  for (const struct addrinfo *info = infos; info && rc == 0; info = info->ai_next) rc = listen_at(acceptors, info);
  freeaddrinfo(infos);
  return rc == 0 ? 0 : fail(rc, address, err);
}

int mw_acceptors_accept_from(struct mw_acceptors *acceptors, int fd, const char *address, struct mw_err *err) {
  int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  int rc = own < 0 ? -errno : add(acceptors, own, 1);
  return rc == 0 ? 0 : fail(rc, address, err);
}

void mw_acceptors_close(struct mw_acceptors *acceptors) {
  struct mw_list *link;
  while ((link = mw_list_shift(&acceptors->list))) {
    struct acceptor *acceptor = MW_CONTAINER(link, struct acceptor, link);
    acceptor->set = NULL;
    mw_timer_stop(acceptor->pause);
    acceptor->pause = NULL;
    uv_close((uv_handle_t *)&acceptor->poll, on_closed);
    close(acceptor->fd); /* the loop no longer polls it */
  }
  release(acceptors);
}
