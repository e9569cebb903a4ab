/* Addresses as people write them: HOST:PORT and [IPV6]:PORT. Any thread. */
#ifndef MW_BASE_HOST_PORT_H
#define MW_BASE_HOST_PORT_H

#include <stdint.h>

#include "base/err.h"

struct addrinfo;

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

#endif
