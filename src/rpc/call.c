#include "rpc/call.h"

#include <assert.h>

#include "rpc/call_end.h"
#include "rpc/engine.h"
#include "rpc/forward.h"

void mw_call_prepare(struct mw_call *call) {
  call->dispatch = NULL;
  call->forwarder = NULL;
  mw_list_init(&call->link);
  call->route = NULL;
  call->handler = NULL;
  call->state = NULL;
  call->id = 0;
  call->headers = call->trailers = (struct mw_metadata){0};
  call->headers_sent = call->reading = call->awaiting = call->ended = false;
  call->cancelled = call->rejected = call->finished = call->last = call->stalled = false;
  call->request_encoding = call->reply_encoding = NULL;
  call->unsent = 0;
  call->unsent_bytes = call->reserved = 0;
  call->received = call->sent = 0;
}

void mw_call_read(struct mw_call *call) {
  assert(!call->reading && !call->ended && !call->finished);
  if (call->cancelled) return;
  call->reading = true;
  call->ops->read(call);
}

bool mw_call_has_room(struct mw_call *call, size_t size) {
  if (!call->ops->has_room || call->cancelled || call->unsent_bytes + size <= MW_CALL_SHARE_BYTES) return true;
  return call->ops->has_room(call, size);
}

uint8_t *mw_call_reserve(struct mw_call *call, size_t size) {
  assert(!call->finished);
  call->reserved = size;
  return call->ops->reserve(call, size);
}

bool mw_call_send(struct mw_call *call, unsigned flags) {
  assert(!call->finished && !call->last);
  if (call->cancelled) return false;
  call->headers_sent = true;
  call->sent++;
  if (flags & MW_SEND_LAST) {
    call->last = true;
    call->ops->send(call, flags);
    return true;
  }
  call->unsent++;
  call->unsent_bytes += call->reserved;
  call->reserved = 0;
  call->ops->send(call, flags);
  call->stalled = call->unsent >= call->send_limit || call->unsent_bytes >= MW_CALL_UNSENT_BYTES;
  return !call->stalled;
}

void mw_call_set_compression(struct mw_call *call, const char *encoding) {
  assert(!call->finished && !call->headers_sent);
  call->reply_encoding = encoding;
}

void mw_call_send_headers(struct mw_call *call) {
  assert(!call->finished);
  if (call->headers_sent || call->cancelled) return;
  call->headers_sent = true;
  call->ops->send_headers(call);
}

void mw_call_finish(struct mw_call *call, const struct mw_status *status) {
  assert(!call->finished);
  call->finished = true;
  if (call->cancelled && status->code == MW_CODE_OK) status = &call->end; /* the handler only stopped */
  struct mw_status shown = call->rejected ? call->end : *status;
  shown.message = mw_status_message_cut(shown.message);
  if (call->forwarder) {
    mw_forward_finish(call, &shown);
  } else {
    mw_dispatch_finish(call, status, &shown);
  }
}

void mw_call_on_message(struct mw_call *call, struct mw_slice bytes) {
  call->reading = false;
  if (call->finished || call->cancelled) return;
  call->received++;
  if (call->awaiting) {
    call->awaiting = false;
    call->handler->request(call, bytes);
  } else {
    call->handler->message(call, bytes);
  }
}

void mw_call_on_end(struct mw_call *call) {
  call->reading = false;
  call->ended = true;
  if (call->finished || call->cancelled) return;
  call->handler->end(call);
}

void mw_call_on_sent(struct mw_call *call, uint32_t count) {
  assert(count <= call->unsent);
  size_t left = count == call->unsent ? 0 : call->unsent_bytes - call->unsent_bytes / call->unsent * count;
  call->unsent -= count;
  call->unsent_bytes = left;
  if (!call->stalled || call->unsent > call->send_limit / 2) return;
  if (call->unsent_bytes > MW_CALL_UNSENT_BYTES / 2) return;
  call->stalled = false;
  if (!call->finished && !call->cancelled) call->handler->writable(call);
}

void mw_call_on_room(struct mw_call *call) {
  if (!call->finished && !call->cancelled) call->handler->writable(call);
}

void mw_call_on_cancel(struct mw_call *call, struct mw_status status) {
  if (call->finished || call->cancelled) return;
  call->cancelled = true;
  call->end = mw_status_copy(&call->arena, &status);
  call->reading = false;
  if (call->awaiting) {
    mw_call_finish(call, &call->end);
  } else {
    call->handler->cancelled(call, status);
  }
}

void mw_call_reject(struct mw_call *call, struct mw_status status) {
  if (call->finished || call->cancelled) return;
  call->rejected = true;
  mw_call_on_cancel(call, status);
}

void mw_call_cancel_list(struct mw_list *calls, struct mw_status status) {
  struct mw_list rest, *link;
  mw_list_init(&rest);
  mw_list_splice(&rest, calls);
  while ((link = mw_list_shift(&rest))) {
    mw_list_push(calls, link);
    mw_call_on_cancel(MW_CONTAINER(link, struct mw_call, link), status);
  }
}
