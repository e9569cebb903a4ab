/* Reports connections that core ends because the client sends nothing before the handshake timeout.
 *
 * Core exposes neither its connections nor their ends. So this file records each new socket with its cookie, and asks
 * the kernel shortly before the timeout (MW_CORE_SILENT_MS) whether any bytes have arrived. If a client has sent bytes,
 * but no HTTP/2 preface, core ends the connection and it is not reported. */
#ifndef MW_ENGINE_CORE_HANDSHAKE_H
#define MW_ENGINE_CORE_HANDSHAKE_H

#include <sys/socket.h>

#include "loop/loop.h"
#include "rpc/disconnect.h"

/* Milliseconds from the report to core's own timeout. */
enum { MW_CORE_SILENT_MS = 100 };

struct mw_core_handshake {
  struct mw_loop *loop;
  struct mw_metrics *metrics; /* may be NULL */
  int64_t patience;           /* handshake timeout in nanoseconds */
  struct mw_list sockets;     /* sockets before their timeout, the oldest first */
  unsigned n;
  struct mw_timer *timer; /* for the oldest; NULL without one */
  struct mw_disconnects past;
};

void mw_core_handshake_init(struct mw_core_handshake *silent, struct mw_loop *loop, struct mw_metrics *metrics,
                            double seconds);
void mw_core_handshake_fini(struct mw_core_handshake *silent);

/* Records a connection that was just accepted. Without memory, or with very many records, it will not be reported. */
void mw_core_handshake_add(struct mw_core_handshake *silent, int fd, const struct sockaddr_storage *peer,
                           socklen_t size);

#endif
