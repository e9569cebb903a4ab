#include "engine/http/sharing/remote.h"

#include <stdlib.h>

void mw_http_remote_unref(struct mw_http_remote *remote) {
  if (atomic_fetch_sub(&remote->refs, 1) != 1) return;
  mw_http_channel_fini(&remote->to_executor);
  mw_http_channel_fini(&remote->to_origin);
  mw_http_block_free(remote->arrived);
  mw_http_block_free(remote->reserved);
  mw_arena_fini(&remote->call.arena);
  free(remote);
}
