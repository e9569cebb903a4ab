/* Addresses in text: HOST:PORT and [IPV6]:PORT. Any thread. */
#ifndef MW_BASE_HOST_PORT_H
#define MW_BASE_HOST_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct addrinfo;
struct sockaddr;

enum { MW_HOST_MAX = 256 };

/* A host, without brackets, and a port; port 0 stands for any free one. */
struct mw_host_port {
  char host[MW_HOST_MAX];
  uint16_t port;
};

/* Splits `text`. Returns 0 or MW_EINVAL. */
int mw_host_port_split(struct mw_host_port *out, const char *text, struct mw_err *err);

/* Resolves `text` to the addresses to listen on; the caller frees them with freeaddrinfo(). May query a name server.
 * Returns 0, MW_EINVAL (malformed) or MW_EIO (no such host). */
int mw_host_port_resolve(struct addrinfo **out, const char *text, struct mw_err *err);

/* Returns a TCP socket bound to the address `at` of `size` bytes, or -1 with errno set. Sets SO_REUSEADDR, so that
 * old connections in TIME_WAIT do not prevent it. If `shared`, sets SO_REUSEPORT, so that several shared sockets can
 * bind to one address. */
int mw_host_port_bind(const struct sockaddr *at, size_t size, bool shared);

#endif
