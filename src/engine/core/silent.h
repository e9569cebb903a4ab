/* Reports connections that core ends because their client sends nothing in the time that it has for its first frame.
 *
 * Core shows neither its connections nor their ends. So each new socket is noted with its cookie, and at the end of its time,
 * MW_CORE_SILENT_MS before core closes it, the kernel is asked whether any bytes have come. A client that sends anything but
 * never an HTTP/2 preface is ended by core and not reported. */
#ifndef MW_ENGINE_CORE_SILENT_H
#define MW_ENGINE_CORE_SILENT_H

#include <sys/socket.h>

#include "loop/loop.h"
#include "rpc/disconnect.h"

/* Milliseconds from the report to core's own timeout. */
enum { MW_CORE_SILENT_MS = 100 };

struct mw_core_silent {
  struct mw_loop *loop;
  struct mw_metrics *metrics; /* may be NULL */
  int64_t patience;           /* nanoseconds */
  struct mw_list sockets;     /* those that are still in their time, the oldest first */
  unsigned n;
  struct mw_timer *timer;     /* for the oldest; NULL without one */
  struct mw_disconnects past;
};

void mw_core_silent_init(struct mw_core_silent *silent, struct mw_loop *loop, struct mw_metrics *metrics, double seconds);
void mw_core_silent_fini(struct mw_core_silent *silent);

/* Notes a connection that has just been accepted. Without memory, or when very many are noted, it will not be reported. */
void mw_core_silent_add(struct mw_core_silent *silent, int fd, const struct sockaddr_storage *peer, socklen_t size);

#endif
