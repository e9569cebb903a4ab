/* Reports connections, and calls, that a server refuses or ends because of the client's behaviour. For each reason
 * the log gets at most one line a second, with the count so far, so that a flood of connections does not flood the
 * log. Connections are also counted in `moonwire_connections_ended_total`. */
#ifndef MW_RPC_DISCONNECT_H
#define MW_RPC_DISCONNECT_H

#include "observe/metrics.h"

/* Texts for the reasons that all engines share. */
#define MW_DISCONNECT_REFUSED "connection refused: too many connections"
#define MW_DISCONNECT_HANDSHAKE "connection ended: the client did not start HTTP/2 in time"
#define MW_DISCONNECT_MEMORY "connection refused: out of memory"
#define MW_DISCONNECT_WAITING "connections wait: none can be accepted"

/* The state of one reason. */
struct mw_disconnects {
  uint64_t count;
  int64_t logged; /* mw_clock_real() of the newest line */
};

/* `reason` is NULL for a call: the metric does not count it. `metrics`, `peer` and `detail` may be NULL. */
void mw_disconnect_report(struct mw_disconnects *past, struct mw_metrics *metrics, const char *reason, const char *text,
                          const char *peer, const char *detail);

#endif
