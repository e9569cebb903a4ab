#include "server/address.h"

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

/* Takes the port for `probe`, which must be alone in listening there, then for the claim, which holds it: once without
 * SO_REUSEADDR it lets in only sockets with SO_REUSEPORT, and another's probe is none. Writes the port into `at`. */
static int claim(int probe, struct sockaddr_storage *at, socklen_t size) {
  if (listen(probe, 1) != 0 || getsockname(probe, (struct sockaddr *)at, &size) != 0) return -1;
  if (set(probe, SO_REUSEPORT, 1) != 0) return -1;
  int fd = mw_host_port_bind((const struct sockaddr *)at, size, true);
  if (fd < 0 || set(fd, SO_REUSEADDR, 0) == 0) return fd;
  close(fd);
  return -1;
}

static int port_of(const struct sockaddr_storage *at) {
  return ntohs(at->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *)(const void *)at)->sin6_port
                                         : ((const struct sockaddr_in *)(const void *)at)->sin_port);
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
  snprintf(out, MW_ADDRESS_MAX, strchr(parts.host, ':') ? "[%s]:%d" : "%s:%d", parts.host, port_of(&at));
  return fd;
}
