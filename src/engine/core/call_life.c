#include "engine/core/call_life.h"

#include <grpc/support/alloc.h>
#include <stdlib.h>

#include "base/clock.h"
#include "rpc/rules.h"

enum { POOL_MAX = 256 };

/* ---- lifetime ---- */

static void reset(struct mw_core_call *core) {
  core->grpc = NULL;
  core->incoming = core->held = NULL;
  core->encoding = NULL;
  core->end_check = NULL;
  core->cancelled = 0;
  core->unreported = 0;
  core->begun = core->ready = core->ended = false;
  core->sending_bytes = 0;
  core->has_reserved = core->want_headers = core->sent_headers = core->sending = core->watched = false;
  core->finishing = core->disconnected = core->detached = core->end_unsure = false;
}

/* Releases everything that belongs to one call. */
static void clear(struct mw_core_call *core) {
  if (core->held) grpc_byte_buffer_destroy(core->held);
  if (core->has_reserved) grpc_slice_unref(core->reserved);
  mw_core_outbox_clear(&core->outbox);
  mw_core_backlog_leave(&core->engine->server.backlogs, &core->share);
  if (core->grpc) {
    gpr_free((void *)(uintptr_t)core->call.peer);
    grpc_call_unref(core->grpc);
  }
  grpc_call_details_destroy(&core->details);
  grpc_metadata_array_destroy(&core->metadata);
  mw_arena_reset(&core->call.arena);
  mw_list_remove(&core->dirty.link);
  reset(core);
}

void mw_core_call_free(struct mw_core_call *core) {
  mw_list_remove(&core->link);
  mw_core_outbox_fini(&core->outbox);
  mw_arena_fini(&core->call.arena);
  free(core);
}

void mw_core_call_recycle(struct mw_core_call *core) {
  struct mw_core_server *server = &core->engine->server;
  clear(core);
  server->n_calls--;
  mw_list_remove(&core->link);
  if (server->n_pool < POOL_MAX) {
    mw_list_push(&server->pool, &core->link);
    server->n_pool++;
  } else {
    mw_core_call_free(core);
  }
}

void mw_core_call_leave(struct mw_core_call *core) {
  if (--core->pending == 0 && (core->call.finished || core->detached)) mw_core_call_recycle(core);
}

void mw_core_call_start(struct mw_core_call *core, struct mw_core_batch *batch, struct mw_core_tag *tag) {
  core->pending++;
  mw_core_batch_start(batch, core->grpc, tag);
}

static void stop_end_check(struct mw_core_call *core) {
  if (!core->end_check) return;
  mw_timer_stop(core->end_check);
  core->end_check = NULL;
  mw_core_call_leave(core);
}

/* Removes the call from the run queue. */
static void unqueue(struct mw_core_call *core) {
  if (!core->item.lane) return;
  mw_run_item_remove(&core->item);
  mw_core_call_leave(core);
}

void mw_core_call_detach(struct mw_core_call *core) {
  core->detached = true;
  mw_list_remove(&core->call.link);
  if (!core->grpc) return; /* not requested yet: core completes the request when the server shuts down */
  mw_core_call_enter(core);
  stop_end_check(core);
  unqueue(core);
  grpc_call_cancel(core->grpc, NULL);
  mw_core_call_leave(core);
}

/* ---- the end of the stream ---- */

void mw_core_call_watch(struct mw_core_call *core) {
  if (core->watched || core->call.finished || core->detached) return;
  core->watched = true;
  struct mw_core_batch batch;
  mw_core_batch_init(&batch);
  mw_core_batch_recv_close(&batch, &core->cancelled);
  mw_core_call_start(core, &batch, &core->closed);
}

/* Counts a call whose message has waited for its turn until the deadline. */
static void note_expired(const struct mw_core_call *core) {
  bool waits = core->item.lane && core->item.deadline != MW_NEVER;
  if (waits && mw_call_is_late(&core->call)) mw_dispatch_note_expired(core->engine->dispatch, &core->call);
}

static void on_closed(struct mw_core_tag *tag, bool ok) {
  struct mw_core_call *core = MW_CONTAINER(tag, struct mw_core_call, closed);
  core->disconnected = core->cancelled != 0;
  stop_end_check(core);
  if (core->disconnected && !core->begun) {
    if (mw_call_is_late(&core->call)) mw_dispatch_expire_waiting(core->engine->dispatch, &core->call);
    core->call.finished = true;
    unqueue(core);
  } else if (core->disconnected && !core->detached) {
    note_expired(core);
    unqueue(core);
    mw_call_on_cancel(&core->call, mw_call_lost_status(&core->call));
  }
  mw_core_call_leave(core);
}

/* ---- waiting for a turn ---- */

void mw_core_call_queue(struct mw_core_call *core) {
  struct mw_run_queue *queue = &core->engine->dispatch->queue;
  if (core->item.lane) return;
  bool request = mw_call_is_request(&core->call, core->begun),
       first = request && mw_dispatch_is_priority(core->call.path);
  core->item.deadline = request ? core->call.deadline : MW_NEVER;
  core->item.arrived = request ? core->call.arrived : mw_clock_mono();
  mw_core_call_enter(core);
  mw_run_lane_add(first ? &queue->first : core->lane, &core->item);
  if (core->engine->left >= MW_CORE_FEW) mw_core_call_watch(core);
}

void mw_core_call_await(struct mw_core_call *core) {
  if (core->item.lane) mw_core_call_watch(core);
}

void mw_core_call_init(struct mw_core_call *core, struct mw_core_engine *engine) {
  core->engine = engine;
  mw_list_init(&core->link);
  mw_list_init(&core->call.link);
  mw_arena_init(&core->call.arena, SIZE_MAX);
  core->closed.done = on_closed;
}
