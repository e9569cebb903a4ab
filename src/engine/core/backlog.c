#include "engine/core/backlog.h"

#include <stdlib.h>

struct entry {
  struct mw_send_backlog backlog;
  size_t calls; /* number of shares */
  char peer[];
};

static struct entry *entry_new(struct mw_core_backlogs *backlogs, const char *peer) {
  size_t size = strlen(peer) + 1;
  struct entry *entry = malloc(sizeof *entry + size);
  if (!entry) return NULL;
  mw_send_backlog_init(&entry->backlog, MW_BACKLOG_BUFFERS * backlogs->buffer_bytes);
  entry->calls = 0;
  memcpy(entry->peer, peer, size);
  if (mw_map_set(&backlogs->by_peer, mw_slice_str(entry->peer), entry) == 0) return entry;
  free(entry);
  return NULL;
}

void mw_core_backlog_join(struct mw_core_backlogs *backlogs, struct mw_send_backlog_share *share, const char *peer) {
  if (!peer) return;
  struct entry *entry = mw_map_get(&backlogs->by_peer, mw_slice_str(peer));
  if (!entry) entry = entry_new(backlogs, peer);
  if (!entry) return;
  entry->calls++;
  share->backlog = &entry->backlog;
}

void mw_core_backlog_leave(struct mw_core_backlogs *backlogs, struct mw_send_backlog_share *share) {
  if (!share->backlog) return;
  struct entry *entry = MW_CONTAINER(share->backlog, struct entry, backlog);
  mw_send_backlog_leave(share);
  if (--entry->calls > 0) return;
  mw_map_remove(&backlogs->by_peer, mw_slice_str(entry->peer));
  free(entry);
}

void mw_core_backlogs_fini(struct mw_core_backlogs *backlogs) { mw_map_fini(&backlogs->by_peer); }
