/* Text form of a peer's address: "ipv4:127.0.0.1:50123", "ipv6:[::1]:50123", "unix:" and the path of its socket. */
#ifndef MW_RPC_PEER_H
#define MW_RPC_PEER_H

#include <stddef.h>
#include <sys/socket.h>

enum { MW_PEER_MAX = 128 };

/* Writes the name of the address `at` of `size` bytes; "" for another family. */
void mw_peer_name(const struct sockaddr_storage *at, socklen_t size, char out[MW_PEER_MAX]);

#endif
