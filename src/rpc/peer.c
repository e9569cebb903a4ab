#include "rpc/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

void mw_peer_name(const struct sockaddr_storage *at, socklen_t size, char out[MW_PEER_MAX]) {
  char host[INET6_ADDRSTRLEN] = "";
  out[0] = '\0';
  if (at->ss_family == AF_INET) {
    const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)at;
    inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
    snprintf(out, MW_PEER_MAX, "ipv4:%s:%d", host, ntohs(in->sin_port));
  } else if (at->ss_family == AF_INET6) {
    const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)at;
    inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
    snprintf(out, MW_PEER_MAX, "ipv6:[%s]:%d", host, ntohs(in->sin6_port));
  } else if (at->ss_family == AF_UNIX) {
    const struct sockaddr_un *un = (const struct sockaddr_un *)(const void *)at;
    size_t len = size > offsetof(struct sockaddr_un, sun_path) ? size - offsetof(struct sockaddr_un, sun_path) : 0;
    snprintf(out, MW_PEER_MAX, "unix:%.*s", (int)len, un->sun_path); /* an earlier zero byte ends it */
  }
}
