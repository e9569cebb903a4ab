/* Reports connections, and calls, that a server refuses or ends for what the client did: in the log once a second for
 * each reason, with the count so far, so that a flood of connections is not one of lines; connections also in
 * `moonwire_connections_ended_total`. */
#ifndef MW_RPC_DISCONNECT_H
#define MW_RPC_DISCONNECT_H

#include "observe/metrics.h"

/* The texts of what all engines meet. */
#define MW_DISCONNECT_REFUSED "connection refused: there are too many"
#define MW_DISCONNECT_HANDSHAKE "connection ended: the client did not begin to speak HTTP/2 in time"
#define MW_DISCONNECT_MEMORY "connection refused: out of memory"
#define MW_DISCONNECT_WAITING "connections wait: none can be accepted"

/* The past of one reason. */
struct mw_disconnects {
  uint64_t count;
  int64_t logged; /* mw_clock_real() of the newest line */
};

/* `metrics` may be NULL; `reason` is NULL for a call, which is counted with all others; `peer` and `detail` may be NULL. */
void mw_disconnect_report(struct mw_disconnects *past, struct mw_metrics *metrics, const char *reason, const char *text,
                          const char *peer, const char *detail);

#endif
