#include "rpc/backlog.h"

#include "rpc/call.h"

/* One at a time: what it sends may fill the backlog again. */
static void wake_first(struct mw_backlog *backlog) {
  if (mw_list_empty(&backlog->waiting) || backlog->bytes >= backlog->limit) return;
  struct mw_backlog_share *first = MW_CONTAINER(mw_list_shift(&backlog->waiting), struct mw_backlog_share, link);
  first->due = true;
  first->wake(first);
}

bool mw_backlog_has_room(struct mw_backlog_share *share) {
  struct mw_backlog *backlog = share->backlog;
  if (!backlog || backlog->bytes < backlog->limit) return true;
  if (backlog->latest == share && share->bytes == 0) return true;
  if (mw_list_empty(&share->link)) mw_list_push(&backlog->waiting, &share->link);
  return false;
}

void mw_backlog_change(struct mw_backlog_share *share, size_t bytes) {
  struct mw_backlog *backlog = share->backlog;
  backlog->bytes += bytes - share->bytes;
  bool left = bytes < share->bytes;
  share->bytes = bytes;
  if (!left) return;
  backlog->moves++;
  backlog->latest = share;
  wake_first(backlog);
}

void mw_backlog_report(struct mw_backlog_share *share, struct mw_call *call) {
  if (!share->due) return;
  share->due = false;
  mw_call_on_room(call);
  if (share->backlog) wake_first(share->backlog);
}

void mw_backlog_leave(struct mw_backlog_share *share) {
  struct mw_backlog *backlog = share->backlog;
  if (!backlog) return;
  mw_list_remove(&share->link);
  share->backlog = NULL;
  share->due = false;
  if (backlog->latest == share) backlog->latest = NULL;
  backlog->bytes -= share->bytes;
  share->bytes = 0;
  wake_first(backlog);
}
