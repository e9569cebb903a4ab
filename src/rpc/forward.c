#include "rpc/forward.h"

void mw_forward_start(struct mw_forwarder *forwarder, struct mw_call *call, const struct mw_handler *handler,
                      bool single) {
  mw_call_prepare(call);
  call->forwarder = forwarder;
  call->handler = handler;
  call->single = single;
  call->send_limit = 1;
  forwarder->live++;
  mw_list_push(&forwarder->calls, &call->link);
  handler->start(call);
}

void mw_forward_cancel_all(struct mw_forwarder *forwarder, struct mw_status status) {
  mw_call_cancel_list(&forwarder->calls, status);
}
