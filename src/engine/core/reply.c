#include "engine/core/reply.h"

#include <assert.h>

#include "engine/core/call_life.h"
#include "engine/core/slices.h"

static void count(struct mw_core_call *core) {
  mw_send_backlog_count(&core->share, core->outbox.bytes + core->sending_bytes);
}

static void wake(struct mw_send_backlog_share *share) {
  mw_core_call_queue(MW_CONTAINER(share, struct mw_core_call, share));
}

bool mw_core_reply_has_room(struct mw_call *call, size_t size) {
  struct mw_core_call *core = mw_core_call_of(call);
  if (!core->share.backlog) {
    mw_core_backlog_join(&core->engine->server.backlogs, &core->share, call->peer);
    count(core);
  }
  return core->disconnected || mw_send_backlog_has_room(&core->share);
}

static void add_headers(struct mw_core_call *core, struct mw_core_batch *batch) {
  if (core->sent_headers) return;
  core->sent_headers = true;
  const char *wanted = core->call.reply_encoding;
  mw_core_batch_send_headers(batch, &core->call.headers, wanted ? NULL : core->encoding, 0, &core->call.arena);
  if (wanted) mw_core_batch_compress(batch, wanted);
}

/* Sends everything left in one batch: headers, the last message, the status. */
static void send_final(struct mw_core_call *core, struct mw_core_outgoing last, const struct mw_status *status) {
  struct mw_core_batch batch;
  mw_core_batch_init(&batch);
  add_headers(core, &batch);
  if (last.message) mw_core_batch_send_message(&batch, last.message, last.flags);
  mw_core_batch_send_status(&batch, status, &core->call.trailers, &core->call.arena);
  if (!core->watched) {
    core->watched = true;
    mw_core_batch_recv_close(&batch, &core->cancelled);
  }
  core->sending = true;
  core->sending_bytes = last.message ? grpc_byte_buffer_length(last.message) : 0;
  count(core);
  mw_core_call_start(core, &batch, &core->answered);
}

/* Starts the next batch, if there is something to send and no batch is under way. All queued messages but the last
 * carry the buffer hint, so that core writes several at once. The message sent with the headers does not carry it: its
 * batch would wait until the headers are written. */
static void pump(struct mw_core_call *core) {
  if (core->sending || core->detached || core->disconnected) return;
  if (core->finishing && core->outbox.len <= 1) {
    send_final(core, mw_core_outbox_shift(&core->outbox), &core->status);
    return;
  }
  struct mw_core_outgoing next = mw_core_outbox_shift(&core->outbox);
  if (!next.message && (core->sent_headers || !core->want_headers)) return;
  struct mw_core_batch batch;
  mw_core_batch_init(&batch);
  if (core->sent_headers && core->outbox.len > 0) next.flags |= GRPC_WRITE_BUFFER_HINT;
  add_headers(core, &batch);
  if (next.message) mw_core_batch_send_message(&batch, next.message, next.flags);
  core->sending = true;
  core->sent_message = next.message != NULL;
  core->sending_bytes = next.message ? grpc_byte_buffer_length(next.message) : 0;
  mw_core_call_start(core, &batch, &core->sent);
}

static void flush(struct mw_core_dirty *dirty) { pump(MW_CONTAINER(dirty, struct mw_core_call, dirty)); }

static void on_sent(struct mw_core_tag *tag, bool ok) {
  struct mw_core_call *core = MW_CONTAINER(tag, struct mw_core_call, sent);
  core->sending = false;
  core->sending_bytes = 0;
  count(core);
  if (!ok) {
    mw_core_call_watch(core); /* the close batch reports the cause */
  } else if (core->sent_message && core->call.stalled && mw_core_call_is_wanted(core)) {
    core->unreported++;
    mw_core_call_queue(core);
  } else if (core->sent_message && !core->detached) {
    mw_call_on_sent(&core->call, 1);
  }
  pump(core);
  mw_core_call_leave(core);
}

static void on_answered(struct mw_core_tag *tag, bool ok) {
  mw_core_call_leave(MW_CONTAINER(tag, struct mw_core_call, answered));
}

uint8_t *mw_core_reply_reserve(struct mw_call *call, size_t size) {
  struct mw_core_call *core = mw_core_call_of(call);
  if (core->has_reserved) grpc_slice_unref(core->reserved);
  core->has_reserved = mw_core_slice_new(size, &core->reserved);
  return core->has_reserved ? GRPC_SLICE_START_PTR(core->reserved) : NULL;
}

void mw_core_reply_send(struct mw_call *call, unsigned flags) {
  struct mw_core_call *core = mw_core_call_of(call);
  assert(core->has_reserved);
  core->has_reserved = false;
  uint32_t write = flags & MW_SEND_PLAIN ? GRPC_WRITE_NO_COMPRESS : 0;
  if (!mw_core_outbox_push(&core->outbox, mw_core_message_new(core->reserved), write)) {
    grpc_call_cancel_with_status(core->grpc, GRPC_STATUS_RESOURCE_EXHAUSTED, "out of memory", NULL);
    return;
  }
  count(core);
  if (!(flags & MW_SEND_LAST)) mw_core_engine_mark(core->engine, &core->dirty);
}

void mw_core_reply_send_headers(struct mw_call *call) {
  struct mw_core_call *core = mw_core_call_of(call);
  core->want_headers = true;
  mw_core_engine_mark(core->engine, &core->dirty);
}

void mw_core_reply_finish(struct mw_call *call, const struct mw_status *status) {
  struct mw_core_call *core = mw_core_call_of(call);
  mw_core_call_enter(core);
  if (core->disconnected || core->detached) {
    mw_core_outbox_clear(&core->outbox);
    count(core);
  } else if (!core->sending && core->outbox.len <= 1) {
    send_final(core, mw_core_outbox_shift(&core->outbox), status);
  } else {
    core->status = mw_status_copy(&call->arena, status);
    core->finishing = true;
    pump(core);
  }
  mw_core_call_leave(core);
}

void mw_core_reply_init(struct mw_core_call *core) {
  mw_list_init(&core->dirty.link);
  core->dirty.flush = flush;
  mw_send_backlog_share_init(&core->share, wake);
  core->sent.done = on_sent;
  core->answered.done = on_answered;
}
