#include "base/host_port.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Reads one to five digits of at most 65535. */
static bool read_port(uint16_t *out, const char *text) {
  size_t len = strspn(text, "0123456789");
  if (len == 0 || len > 5 || text[len]) return false;
  unsigned long number = strtoul(text, NULL, 10);
  *out = (uint16_t)number;
  return number <= UINT16_MAX;
}

static bool split(struct mw_host_port *out, const char *text) {
  const char *colon = strrchr(text, ':');
  if (!colon) return false;
  const char *start = text;
  size_t len = (size_t)(colon - text);
  if (len >= 2 && text[0] == '[' && colon[-1] == ']') {
    start++;
    len -= 2;
  } else if (memchr(start, ':', len)) {
    return false; /* an IPv6 address without brackets */
  }
  if (len == 0 || len >= MW_HOST_MAX || !read_port(&out->port, colon + 1)) return false;
  memcpy(out->host, start, len);
  out->host[len] = '\0';
  return true;
}

int mw_host_port_split(struct mw_host_port *out, const char *text, struct mw_err *err) {
  struct mw_host_port parts;
  if (!split(&parts, text)) {
    return mw_err_set(err, MW_EINVAL,
                      "%s: expected HOST:PORT with a port from 0 to 65535, like 127.0.0.1:50051 or [::1]:50051, or "
                      "unix:PATH",
                      text);
  }
  *out = parts;
  return 0;
}

int mw_host_port_resolve(struct addrinfo **out, const char *text, struct mw_err *err) {
  struct mw_host_port parts;
  int rc = mw_host_port_split(&parts, text, err);
  if (rc != 0) return rc;
  char port[6];
  snprintf(port, sizeof port, "%u", parts.port);
  const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
  int status = getaddrinfo(parts.host, port, &hints, out);
  return status == 0 ? 0 : mw_err_set(err, MW_EIO, "cannot listen on %s: %s", text, gai_strerror(status));
}

static int set(int fd, int option) { return setsockopt(fd, SOL_SOCKET, option, &(int){1}, sizeof(int)); }

int mw_host_port_bind(const struct sockaddr *at, size_t size, bool shared) {
  int fd = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (set(fd, SO_REUSEADDR) == 0 && (!shared || set(fd, SO_REUSEPORT) == 0) && bind(fd, at, (socklen_t)size) == 0) {
    return fd;
  }
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}
