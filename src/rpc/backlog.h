/* A limit on the unsent bytes of a connection.
 *
 * Each call may have MW_CALL_UNSENT_BYTES unsent, and a reply beyond that; a connection has hundreds of calls. An
 * engine therefore counts the bytes that all calls of a connection hold. While they exceed the limit, no large
 * message is packed: its handler waits (mw_call_has_room()), in order with other handlers of the connection, until
 * the client has read enough. The call whose bytes left last does not wait, so that a client that reads one stream
 * after another makes progress. */
#ifndef MW_RPC_BACKLOG_H
#define MW_RPC_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

struct mw_call;

enum { MW_BACKLOG_BUFFERS = 4 }; /* the limit in units of limits.buffer_bytes */

struct mw_send_backlog {
  size_t bytes, limit;
  uint32_t moves;                             /* how often bytes have left */
  const struct mw_send_backlog_share *latest; /* the share whose bytes left last; NULL once its call has ended */
  struct mw_list waiting;                     /* struct mw_send_backlog_share.link, in order */
};

/* The part of one call. */
struct mw_send_backlog_share {
  struct mw_send_backlog *backlog; /* borrowed; NULL: nothing is counted */
  size_t bytes;                    /* bytes that the call holds */
  struct mw_list link;
  bool due;                                          /* mw_send_backlog_report() is due */
  void (*wake)(struct mw_send_backlog_share *share); /* schedules mw_send_backlog_report() */
};

static inline void mw_send_backlog_init(struct mw_send_backlog *backlog, size_t limit) {
  *backlog = (struct mw_send_backlog){.limit = limit};
  mw_list_init(&backlog->waiting);
}

static inline void mw_send_backlog_share_init(struct mw_send_backlog_share *share,
                                              void (*wake)(struct mw_send_backlog_share *share)) {
  *share = (struct mw_send_backlog_share){.wake = wake};
  mw_list_init(&share->link);
}

/* Implements ops->has_room(). If it returns false, the call waits. */
bool mw_send_backlog_has_room(struct mw_send_backlog_share *share);

/* Sets the bytes that the call holds. Wakes the first waiting call if there is room, and this call if it waits and
 * holds none. */
void mw_send_backlog_change(struct mw_send_backlog_share *share, size_t bytes);

static inline void mw_send_backlog_count(struct mw_send_backlog_share *share, size_t bytes) {
  if (share->backlog && bytes != share->bytes) mw_send_backlog_change(share, bytes);
}

/* Reports room to the handler of `call` if that is due. */
void mw_send_backlog_report(struct mw_send_backlog_share *share, struct mw_call *call);

/* Removes an ended call: it holds nothing, does not wait and has no backlog. */
void mw_send_backlog_leave(struct mw_send_backlog_share *share);

#endif
