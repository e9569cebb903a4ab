/* The memory of what a connection has to send.
 *
 * Each call may have MW_CALL_UNSENT_BYTES unsent, a reply beyond that, and a connection has hundreds of calls. So an engine
 * counts what the calls of a connection hold together. While that is more than the limit, no large message is packed: its
 * handler waits (mw_call_has_room()), in order with others of the connection, until the client has taken enough. The call whose
 * message has left last does not wait: a client that reads one stream after another must not get stuck. */
#ifndef MW_RPC_BACKLOG_H
#define MW_RPC_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct mw_call;

enum { MW_BACKLOG_BUFFERS = 4 }; /* the limit in units of limits.buffer_bytes */

struct mw_backlog {
  size_t bytes, limit;
  uint32_t moves;                        /* how often bytes have left */
  const struct mw_backlog_share *latest; /* the share whose bytes left last; NULL once its call is over */
  struct mw_list waiting; /* struct mw_backlog_share.link, in order */
};

/* A call's part. */
struct mw_backlog_share {
  struct mw_backlog *backlog; /* borrowed; NULL: nothing is counted */
  size_t bytes;               /* that the call holds */
  struct mw_list link;
  bool due;                   /* mw_backlog_report() is */
  void (*wake)(struct mw_backlog_share *share); /* has mw_backlog_report() called soon */
};

static inline void mw_backlog_init(struct mw_backlog *backlog, size_t limit) {
  *backlog = (struct mw_backlog){.limit = limit};
  mw_list_init(&backlog->waiting);
}

static inline void mw_backlog_share_init(struct mw_backlog_share *share, void (*wake)(struct mw_backlog_share *share)) {
  *share = (struct mw_backlog_share){.wake = wake};
  mw_list_init(&share->link);
}

/* For ops->has_room(). If there is none, the call waits. */
bool mw_backlog_has_room(struct mw_backlog_share *share);

/* The call holds `bytes` now. Wakes the call that waits first if there is room, and this one if it waits and holds none. */
void mw_backlog_change(struct mw_backlog_share *share, size_t bytes);

static inline void mw_backlog_count(struct mw_backlog_share *share, size_t bytes) {
  if (share->backlog && bytes != share->bytes) mw_backlog_change(share, bytes);
}

/* Reports to the handler of `call` that there is room if that is due. */
void mw_backlog_report(struct mw_backlog_share *share, struct mw_call *call);

/* The call is over: it holds nothing, waits for nothing, and has no backlog any more. */
void mw_backlog_leave(struct mw_backlog_share *share);

#endif
