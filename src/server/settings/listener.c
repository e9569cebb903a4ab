#include "server/settings/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/host_port.h"

enum { BACKLOG = 4096, MOST_INHERITED = 16, LOCK_TRIES = 200, LOCK_PAUSE_MS = 10 };

/* ---- Unix sockets ---- */

static int fail(const char *address, struct mw_err *err) {
  return mw_err_set(err, MW_EIO, "cannot listen on %s: %s", address, strerror(errno));
}

static int fail_no_socket(const char *address, struct mw_err *err) {
  return mw_err_set(err, MW_EEXIST, "cannot listen on %s: there is a file of that name which is no socket", address);
}

static int new_socket(void) { return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }

/* True if a process listens on the socket at `at`. A full queue counts as listening. */
static bool answers(const struct sockaddr_un *at) {
  int fd = new_socket();
  if (fd < 0) return true;
  bool refused = connect(fd, (const struct sockaddr *)at, sizeof *at) != 0 && errno == ECONNREFUSED;
  close(fd);
  return !refused;
}

/* Removes the file of a socket on which no process listens. */
static int clear_path(const char *address, const struct sockaddr_un *at, struct mw_err *err) {
  struct stat info;
  if (lstat(at->sun_path, &info) != 0) return errno == ENOENT ? 0 : fail(address, err);
  if (!S_ISSOCK(info.st_mode)) return fail_no_socket(address, err);
  if (answers(at)) {
    return mw_err_set(err, MW_EBUSY, "%s: the socket is in use: stop the server there, or choose another with --listen",
                      address);
  }
  return unlink(at->sun_path) == 0 || errno == ENOENT ? 0 : fail(address, err);
}

static int bind_path(struct mw_listener *listener, const struct sockaddr_un *at, struct mw_err *err) {
  struct stat info;
  int fd = new_socket();
  if (fd < 0) return fail(listener->address, err);
  bool bound = bind(fd, (const struct sockaddr *)at, sizeof *at) == 0;
  if (!bound || listen(fd, BACKLOG) != 0 || lstat(at->sun_path, &info) != 0) {
    int rc = fail(listener->address, err);
    if (bound) unlink(at->sun_path);
    close(fd);
    return rc;
  }
  listener->fd = fd;
  listener->has_file = true;
  listener->device = info.st_dev;
  listener->inode = info.st_ino;
  return 0;
}

/* Takes a lock on the folder of the socket, where locks are supported, so that two servers that start at once do not
 * both replace the file of a third one that has ended. A server holds it only briefly. Returns 0 with the open folder,
 * or with -1 if it cannot be opened; or MW_EBUSY. */
static int lock_folder(int *folder, const char *address, const char *path, struct mw_err *err) {
  char name[sizeof((struct sockaddr_un *)0)->sun_path + 2];
  const char *slash = strrchr(path, '/');
  size_t len = slash ? (size_t)(slash - path) + 1 : 0;
  snprintf(name, sizeof name, "%.*s.", (int)len, path);
  *folder = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (*folder < 0) return 0;
  const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MS * MW_NS_PER_MS};
  for (int i = 0; flock(*folder, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK; i++) {
    if (i == LOCK_TRIES) {
      close(*folder);
      return mw_err_set(err, MW_EBUSY, "cannot listen on %s: another process keeps a lock on its folder", address);
    }
    nanosleep(&pause, NULL);
  }
  return 0;
}

static int fill_path(struct sockaddr_un *at, const char *path, struct mw_err *err) {
  size_t len = strlen(path);
  if (len == 0 || len >= sizeof at->sun_path) {
    return mw_err_set(err, MW_EINVAL, "unix:%s: expected unix:PATH with a path of 1 to %zu bytes", path,
                      sizeof at->sun_path - 1);
  }
  *at = (struct sockaddr_un){.sun_family = AF_UNIX};
  memcpy(at->sun_path, path, len + 1);
  return 0;
}

static int open_unix(struct mw_listener *listener, const char *path, struct mw_err *err) {
  struct sockaddr_un at;
  int folder;
  int rc = fill_path(&at, path, err);
  if (rc != 0) return rc;
  snprintf(listener->address, sizeof listener->address, "unix:%s", path);
  rc = lock_folder(&folder, listener->address, path, err);
  if (rc != 0) return rc;
  rc = clear_path(listener->address, &at, err);
  if (rc == 0) rc = bind_path(listener, &at, err);
  if (folder >= 0) close(folder);
  return rc;
}

/* ---- checks ---- */

/* Returns the path in the address of a Unix socket; NULL for other addresses. */
static const char *unix_path(const char *address) { return strncmp(address, "unix:", 5) == 0 ? address + 5 : NULL; }

int mw_listener_check_form(const char *address, struct mw_err *err) {
  struct sockaddr_un at;
  struct mw_host_port parts;
  const char *path = unix_path(address);
  return path ? fill_path(&at, path, err) : mw_host_port_split(&parts, address, err);
}

static int check_unix(const char *address, const char *path, struct mw_err *err) {
  struct stat info;
  char folder[PATH_MAX];
  const char *slash = strrchr(path, '/');
  snprintf(folder, sizeof folder, "%.*s.", slash ? (int)(slash - path) + 1 : 0, path);
  if (lstat(path, &info) == 0 && !S_ISSOCK(info.st_mode)) return fail_no_socket(address, err);
  return access(folder, W_OK | X_OK) == 0 ? 0 : fail(address, err);
}

int mw_listener_check(const char *address, struct mw_err *err) {
  const char *path = unix_path(address);
  int rc = mw_listener_check_form(address, err);
  if (rc != 0) return rc;
  return path ? check_unix(address, path, err) : mw_address_check(address, err);
}

/* ---- all addresses ---- */

int mw_listener_open(struct mw_listener *listener, const char *address, struct mw_err *err) {
  *listener = (struct mw_listener){.claim = -1, .fd = -1};
  const char *path = unix_path(address);
  if (path) return open_unix(listener, path, err);
  listener->claim = mw_address_claim(address, listener->address, err);
  return listener->claim < 0 ? listener->claim : 0;
}

void mw_listener_close(struct mw_listener *listener) {
  struct stat info;
  const char *path = listener->address + 5;
  /* While the socket is open, no other file can get its inode number. */
  if (listener->has_file && lstat(path, &info) == 0 && info.st_dev == listener->device &&
      info.st_ino == listener->inode) {
    unlink(path);
  }
  if (listener->claim >= 0) close(listener->claim);
  if (listener->fd >= 0) close(listener->fd);
  listener->claim = listener->fd = -1;
  listener->has_file = false;
}

/* ---- inherited sockets ---- */

static bool has_option(int fd, int option, int expected) {
  int value;
  socklen_t size = sizeof value;
  return getsockopt(fd, SOL_SOCKET, option, &value, &size) == 0 && value == expected;
}

/* Writes the address of a socket in the form of --listen. Returns false if its kind cannot be listened on. */
static bool name(int fd, char out[MW_ADDRESS_MAX]) {
  struct sockaddr_storage at = {0};
  socklen_t size = sizeof at;
  char host[64], port[8];
  if (getsockname(fd, (struct sockaddr *)&at, &size) != 0) return false;
  if (at.ss_family == AF_UNIX) {
    snprintf(out, MW_ADDRESS_MAX, "unix:%s", ((const struct sockaddr_un *)(const void *)&at)->sun_path);
    return true;
  }
  int flags = NI_NUMERICHOST | NI_NUMERICSERV;
  if (getnameinfo((struct sockaddr *)&at, size, host, sizeof host, port, sizeof port, flags) != 0) return false;
  snprintf(out, MW_ADDRESS_MAX, at.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
  return true;
}

int mw_listener_inherit(struct mw_listener *listener, int fd, struct mw_err *err) {
  *listener = (struct mw_listener){.claim = -1, .fd = fd};
  if (has_option(fd, SO_TYPE, SOCK_STREAM) && has_option(fd, SO_ACCEPTCONN, 1) && name(fd, listener->address)) {
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); /* accept() must not block after another worker's */
    return 0;
  }
  mw_listener_close(listener);
  return mw_err_set(err, MW_EINVAL, "LISTEN_FDS: descriptor %d is not a stream socket that listens", fd);
}

/* Returns the number in the variable; -1 if it has another form. */
static long number(const char *variable) {
  const char *text = getenv(variable);
  char *end;
  long value = text && *text ? strtol(text, &end, 10) : -1;
  return value >= 0 && *end == '\0' ? value : -1;
}

int mw_listener_count_inherited(struct mw_err *err) {
  const char *fds = getenv("LISTEN_FDS");
  int n = 0;
  if (fds && number("LISTEN_PID") == getpid()) {
    long count = number("LISTEN_FDS");
    n = count >= 0 && count <= MOST_INHERITED ? (int)count : MW_EINVAL;
    if (n < 0) mw_err_set(err, n, "LISTEN_FDS=%s: expected a number from 0 to %d", fds, MOST_INHERITED);
  }
  unsetenv("LISTEN_PID");
  unsetenv("LISTEN_FDS");
  unsetenv("LISTEN_FDNAMES");
  return n;
}
