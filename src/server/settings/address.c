#include "server/settings/address.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/host_port.h"

static int fail(const char *address, struct mw_err *err) {
  if (errno == EADDRINUSE) {
    return mw_err_set(err, MW_EBUSY, "%s: the port is in use: stop the server there, or choose another with --listen",
                      address);
  }
  return mw_err_set(err, MW_EIO, "cannot listen on %s: %s", address, strerror(errno));
}

static int set(int fd, int option, int value) { return setsockopt(fd, SOL_SOCKET, option, &value, sizeof value); }

/* Listens with `probe`, which fails if another socket listens on the port. Then binds the claim, which holds the port:
 * with SO_REUSEADDR cleared, it admits only sockets with SO_REUSEPORT, and the probe of another process has none.
 * Writes the port into `at`. Returns the claim, or -1 with errno. */
static int claim(int probe, struct sockaddr_storage *at, socklen_t size) {
  if (listen(probe, 1) != 0 || getsockname(probe, (struct sockaddr *)at, &size) != 0) return -1;
  if (set(probe, SO_REUSEPORT, 1) != 0) return -1;
  int fd = mw_host_port_bind((const struct sockaddr *)at, size, true);
  if (fd < 0 || set(fd, SO_REUSEADDR, 0) == 0) return fd;
  close(fd);
  return -1;
}

/* Returns the port of the address, in network byte order. */
static in_port_t *port_at(struct sockaddr *at) {
  return at->sa_family == AF_INET6 ? &((struct sockaddr_in6 *)(void *)at)->sin6_port
                                   : &((struct sockaddr_in *)(void *)at)->sin_port;
}

/* True if a socket can be bound to `at`. Closes it again. */
static bool can_bind(const struct sockaddr *at, socklen_t size) {
  int fd = mw_host_port_bind(at, size, false);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

/* Binds port 0 in place of the port, which may be in use. Also binds a privileged port itself: the kernel checks the
 * permission before the use. */
int mw_address_check(const char *address, struct mw_err *err) {
  struct addrinfo *info;
  int rc = mw_host_port_resolve(&info, address, err);
  if (rc != 0) return rc;
  in_port_t *port = port_at(info->ai_addr), wanted = *port;
  *port = 0;
  bool fine = can_bind(info->ai_addr, info->ai_addrlen);
  *port = wanted;
  if (fine && wanted != 0 && ntohs(wanted) < IPPORT_RESERVED) {
    fine = can_bind(info->ai_addr, info->ai_addrlen) || errno != EACCES;
  }
  if (!fine) rc = fail(address, err);
  freeaddrinfo(info);
  return rc;
}

int mw_address_claim(const char *address, char out[MW_ADDRESS_MAX], struct mw_err *err) {
  struct mw_host_port parts;
  struct addrinfo *info;
  int rc = mw_host_port_split(&parts, address, err);
  if (rc == 0) rc = mw_host_port_resolve(&info, address, err);
  if (rc != 0) return rc;
  struct sockaddr_storage at = {0};
  socklen_t size = info->ai_addrlen;
  memcpy(&at, info->ai_addr, size);
  freeaddrinfo(info);
  int probe = mw_host_port_bind((const struct sockaddr *)&at, size, false);
  int fd = probe < 0 ? -1 : claim(probe, &at, size);
  if (fd < 0) rc = fail(address, err);
  if (probe >= 0) close(probe);
  if (fd < 0) return rc;
  int port = ntohs(*port_at((struct sockaddr *)&at));
  snprintf(out, MW_ADDRESS_MAX, strchr(parts.host, ':') ? "[%s]:%d" : "%s:%d", parts.host, port);
  return fd;
}
