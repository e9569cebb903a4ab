#include "server/address.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Splits "HOST:PORT" and "[HOST]:PORT". */
static int split(const char *address, char host[256], char port[8], struct mw_err *err) {
  const char *colon = strrchr(address, ':');
  const char *start = address;
  size_t len = colon ? (size_t)(colon - address) : 0;
  if (len >= 2 && address[0] == '[' && colon[-1] == ']') {
    start++;
    len -= 2;
  } else if (memchr(start, ':', len)) {
    len = 0; /* an IPv6 address without brackets */
  }
  char *end = NULL;
  long number = colon && colon[1] ? strtol(colon + 1, &end, 10) : -1;
  if (len == 0 || len > 255 || number < 0 || number > 65535 || *end) {
    return mw_err_set(err, MW_EINVAL, "%s: expected HOST:PORT with a port from 0 to 65535, like 127.0.0.1:50051 or [::1]:50051",
                      address);
  }
  memcpy(host, start, len);
  host[len] = '\0';
  snprintf(port, 8, "%ld", number);
  return 0;
}

/* Binds and listens for a moment. Returns the port, or a negative error. */
static int try_port(const struct addrinfo *info, const char *address, struct mw_err *err) {
  int fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return mw_err_set(err, MW_EIO, "%s: %s", address, strerror(errno));
  int one = 1, rc = 0;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  struct sockaddr_storage bound;
  socklen_t size = sizeof bound;
  if (bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, 1) != 0 ||
      getsockname(fd, (struct sockaddr *)&bound, &size) != 0) {
    if (errno == EADDRINUSE) {
      rc = mw_err_set(err, MW_EBUSY, "%s: the port is in use: stop the server there, or choose another with --listen",
                      address);
    } else {
      rc = mw_err_set(err, MW_EIO, "cannot listen on %s: %s", address, strerror(errno));
    }
  } else if (bound.ss_family == AF_INET6) {
    rc = ntohs(((struct sockaddr_in6 *)(void *)&bound)->sin6_port);
  } else {
    rc = ntohs(((struct sockaddr_in *)(void *)&bound)->sin_port);
  }
  close(fd);
  return rc;
}

int mw_address_claim(const char *address, char out[MW_ADDRESS_MAX], struct mw_err *err) {
  char host[256], port[8];
  int rc = split(address, host, port, err);
  if (rc != 0) return rc;
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *info;
  int gai = getaddrinfo(host, port, &hints, &info);
  if (gai != 0) return mw_err_set(err, MW_EINVAL, "%s: %s", address, gai_strerror(gai));
  rc = try_port(info, address, err);
  freeaddrinfo(info);
  if (rc < 0) return rc;
  bool v6 = strchr(host, ':') != NULL;
  snprintf(out, MW_ADDRESS_MAX, v6 ? "[%s]:%d" : "%s:%d", host, rc);
  return 0;
}
