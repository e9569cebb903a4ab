#include "engine/inproc/handler.h"

#include "base/clock.h"
#include "rpc/rules.h"

static struct mw_client_call *call_of(struct mw_call *call) { return MW_CONTAINER(call, struct mw_client_call, call); }

/* ---- operations ---- */

static void op_read(struct mw_call *call) { mw_inproc_call_wake(call_of(call)); }

static uint8_t *op_reserve(struct mw_call *call, size_t size) {
  return mw_inproc_queue_reserve(&call_of(call)->to_client, size);
}

static void op_send(struct mw_call *call, unsigned flags) {
  mw_inproc_queue_push(&call_of(call)->to_client, flags & MW_SEND_LAST);
  mw_inproc_call_wake(call_of(call));
}

static void op_send_headers(struct mw_call *call) { mw_inproc_call_wake(call_of(call)); }

static void op_finish(struct mw_call *call, const struct mw_status *status) {
  struct mw_client_call *c = call_of(call);
  c->status = mw_status_copy(&call->arena, status);
  mw_inproc_call_wake(c);
}

const struct mw_engine_call_ops mw_inproc_call_ops = {op_read, op_reserve, op_send, op_send_headers, op_finish, NULL};

/* ---- events ---- */

static void reject(struct mw_client_call *c, struct mw_status status) { mw_inproc_call_end(c, status, status); }

static void deliver(struct mw_client_call *c) {
  struct mw_inproc_message *message = mw_inproc_queue_shift(&c->to_server);
  if (message->len > c->server_limit) {
    reject(c, mw_inproc_too_long(c, c->server_limit));
  } else {
    mw_call_on_message(&c->call, mw_inproc_message_bytes(message));
  }
  free(message);
}

/* Runs the event that a read waits for, if there is one. The message of a method that takes one is delivered only after
 * the half-close. */
static void answer(struct mw_client_call *c) {
  bool single = c->call.single;
  bool first = c->call.received == 0;
  if (single && first && c->to_server.len > 1) {
    reject(c, mw_status_second_request());
  } else if (single && first && c->half_closed && c->to_server.len == 0) {
    reject(c, mw_status_no_request());
  } else if (c->to_server.len > 0 && (!single || c->half_closed)) {
    deliver(c);
  } else if (c->half_closed && c->to_server.len == 0) {
    mw_call_on_end(&c->call);
  }
}

void mw_inproc_step_server(struct mw_client_call *c) {
  struct mw_call *call = &c->call;
  bool begins = !c->started;
  c->started = true;
  if (begins && c->end.due) {
    call->finished = true; /* ended before it reached the server */
  } else if (begins) {
    call->arrived = mw_clock_mono();
    mw_dispatch_start(c->dispatch, call);
  } else if (!call->finished && c->end.due) {
    mw_call_on_cancel(call, c->end.server);
  } else if (!call->finished && !call->cancelled && call->reading) {
    answer(c);
  }
}
