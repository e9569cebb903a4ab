#include "engine/inproc/call.h"

#include <stdio.h>

void mw_inproc_call_free(struct mw_client_call *c) {
  mw_timer_stop(c->timer);
  mw_inproc_queue_fini(&c->to_server);
  mw_inproc_queue_fini(&c->to_client);
  mw_arena_fini(&c->call.arena);
  free(c);
}

void mw_inproc_call_wake(struct mw_client_call *c) {
  c->again = true;
  if (c->stepping) return;
  c->stepping = true;
  mw_loop_post(c->loop, &c->step);
}

void mw_inproc_call_end(struct mw_client_call *c, struct mw_status client, struct mw_status server) {
  if (c->end.due || c->done) return;
  c->end = (struct mw_inproc_end){true, client, server};
  mw_inproc_call_wake(c);
}

struct mw_status mw_inproc_too_long(struct mw_client_call *c, size_t limit) {
  char words[80];
  snprintf(words, sizeof words, "message longer than the limit of %zu bytes", limit);
  struct mw_status status = mw_status(MW_CODE_RESOURCE_EXHAUSTED, words);
  return mw_status_copy(&c->call.arena, &status);
}
