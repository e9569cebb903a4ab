#include "engine/http/conn/arrival.h"

#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"

enum { SMALL_NS = 5 * MW_NS_PER_MS };

void mw_http_arrival_open(int fd) { setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &(int){1}, sizeof(int)); }

/* Returns the nanoseconds since the message's time stamp; 0 without one. */
static int64_t age(struct msghdr *message) {
  struct timespec stamp;
  for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head; head = CMSG_NXTHDR(message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_TIMESTAMPNS) continue;
    memcpy(&stamp, CMSG_DATA(head), sizeof stamp);
    return mw_clock_read(CLOCK_REALTIME) - ((int64_t)stamp.tv_sec * MW_NS_PER_S + stamp.tv_nsec);
  }
  return 0;
}

/* With MSG_TRUNC the kernel copies no bytes of a TCP socket. It gives the time of the last byte, so a request never
 * counts as older than it is. */
int64_t mw_http_arrival_time(int fd, int64_t earliest, void *room, size_t size) {
  int64_t now = mw_clock_mono();
  if (now - earliest < SMALL_NS) return now;
  union {
    char bytes[CMSG_SPACE(sizeof(struct timespec))];
    struct cmsghdr head;
  } control;
  struct iovec bytes = {room, size};
  struct msghdr message = {
      .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
  if (recvmsg(fd, &message, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT) <= 0) return now;
  int64_t waited = age(&message);
  if (waited <= 0) return now;
  return now - waited > earliest ? now - waited : earliest;
}
