#include "rpc/backlog.h"

#include "rpc/call.h"

static bool has_room(const struct mw_send_backlog *backlog, const struct mw_send_backlog_share *share) {
  return backlog->bytes < backlog->limit || (backlog->latest == share && share->bytes == 0);
}

static void wake(struct mw_send_backlog_share *share) {
  mw_list_remove(&share->link);
  share->due = true;
  share->wake(share);
}

/* Wakes one at a time, because its messages may fill the backlog again. */
static void wake_first(struct mw_send_backlog *backlog) {
  if (mw_list_empty(&backlog->waiting)) return;
  struct mw_send_backlog_share *first = MW_CONTAINER(backlog->waiting.next, struct mw_send_backlog_share, link);
  if (has_room(backlog, first)) wake(first);
}

bool mw_send_backlog_has_room(struct mw_send_backlog_share *share) {
  struct mw_send_backlog *backlog = share->backlog;
  if (!backlog || has_room(backlog, share)) return true;
  if (mw_list_empty(&share->link)) mw_list_push(&backlog->waiting, &share->link);
  return false;
}

void mw_send_backlog_change(struct mw_send_backlog_share *share, size_t bytes) {
  struct mw_send_backlog *backlog = share->backlog;
  backlog->bytes += bytes - share->bytes;
  bool left = bytes < share->bytes;
  share->bytes = bytes;
  if (!left) return;
  backlog->moves++;
  backlog->latest = share;
  if (bytes == 0 && !mw_list_empty(&share->link)) wake(share); /* at any place in the order */
  wake_first(backlog);
}

void mw_send_backlog_report(struct mw_send_backlog_share *share, struct mw_call *call) {
  if (!share->due) return;
  share->due = false;
  mw_call_on_room(call);
  if (share->backlog) wake_first(share->backlog);
}

void mw_send_backlog_leave(struct mw_send_backlog_share *share) {
  struct mw_send_backlog *backlog = share->backlog;
  if (!backlog) return;
  mw_list_remove(&share->link);
  share->backlog = NULL;
  share->due = false;
  if (backlog->latest == share) backlog->latest = NULL;
  backlog->bytes -= share->bytes;
  share->bytes = 0;
  wake_first(backlog);
}
