/* Addresses as people write them: HOST:PORT and [IPV6]:PORT. Any thread. */
#ifndef MW_BASE_HOST_PORT_H
#define MW_BASE_HOST_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct addrinfo;
struct sockaddr;

enum { MW_HOST_MAX = 256 };

/* A host, without brackets, and a port; 0 means any that is free. */
struct mw_host_port {
  char host[MW_HOST_MAX];
  uint16_t port;
};

/* Splits `text`. Returns 0 or MW_EINVAL, with an error that says what is expected. */
int mw_host_port_split(struct mw_host_port *out, const char *text, struct mw_err *err);

/* The addresses to listen on that `text` stands for; the caller frees them with freeaddrinfo(). May ask a name server.
 * Returns 0, MW_EINVAL (another form) or MW_EIO (no such host). */
int mw_host_port_resolve(struct addrinfo **out, const char *text, struct mw_err *err);

/* A TCP socket that is bound to an address of `size` bytes, whatever lingers there from connections before; `shared`:
 * others that are may bind to it too (SO_REUSEPORT). Returns it, or -1 with errno set. */
int mw_host_port_bind(const struct sockaddr *at, size_t size, bool shared);

#endif
