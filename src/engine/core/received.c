/* A file of its own: only the kernel's <linux/tcp.h> has the byte count, and it conflicts with <netinet/tcp.h>. */
#include "engine/core/received.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

enum { ESTABLISHED = 1 };

bool mw_core_has_received_nothing(int fd) {
  struct tcp_info info;
  socklen_t size = sizeof info;
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return false;
  bool known = size >= offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info.tcpi_bytes_received;
  return known && info.tcpi_state == ESTABLISHED && info.tcpi_bytes_received == 0;
}
