/* How a peer's address is written: "ipv4:127.0.0.1:50123", "ipv6:[::1]:50123", "unix:" and the name of its socket. */
#ifndef MW_RPC_PEER_H
#define MW_RPC_PEER_H

#include <stddef.h>
#include <sys/socket.h>

enum { MW_PEER_MAX = 128 };

/* Writes the name of `at`, which has `size` bytes; "" for another kind of address. */
void mw_peer_name(const struct sockaddr_storage *at, socklen_t size, char out[MW_PEER_MAX]);

#endif
