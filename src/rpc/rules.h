/* The rules of a call that every engine keeps: the number of request messages, the statuses of calls that end without
 * their handler, and the tolerance of deadlines. For engines. */
#ifndef MW_RPC_RULES_H
#define MW_RPC_RULES_H

#include "rpc/call.h"

/* Client and server end a call at the same deadline, by timers of whole milliseconds. A reset this close before the
 * deadline counts as the deadline's. */
enum { MW_DEADLINE_SLACK_NS = 2 * MW_NS_PER_MS };

static inline struct mw_status mw_status_deadline_passed(void) {
  return mw_status(MW_CODE_DEADLINE_EXCEEDED, "the deadline has passed");
}

/* Status of a handler whose client has cancelled the call or disconnected. */
static inline struct mw_status mw_status_client_gone(void) {
  return mw_status(MW_CODE_CANCELLED, "the client has cancelled the call or gone away");
}

/* Statuses of a method with one request that gets another number of messages. */
static inline struct mw_status mw_status_no_request(void) {
  return mw_status(MW_CODE_UNIMPLEMENTED, "no request message, the method takes one");
}

static inline struct mw_status mw_status_second_request(void) {
  return mw_status(MW_CODE_UNIMPLEMENTED, "more than one request message, the method takes one");
}

/* Status of a call whose message cannot be read: `error` is MW_EFORMAT, or another code for a limit. Borrows `err`. */
static inline struct mw_status mw_status_bad_message(int error, const struct mw_err *err) {
  return mw_status(error == MW_EFORMAT ? MW_CODE_INTERNAL : MW_CODE_RESOURCE_EXHAUSTED, mw_err_text(err));
}

/* True if the deadline has passed, or is within MW_DEADLINE_SLACK_NS. */
static inline bool mw_call_is_late(const struct mw_call *call) {
  return call->deadline != MW_NEVER && mw_clock_mono() + MW_DEADLINE_SLACK_NS >= call->deadline;
}

/* Returns the status of a call whose stream was lost before its handler has finished. */
static inline struct mw_status mw_call_lost_status(const struct mw_call *call) {
  return mw_call_is_late(call) ? mw_status_deadline_passed() : mw_status_client_gone();
}

/* True until the handler has the request: its start and, for a method with one request, the message. Until then the
 * call waits in the run queue by its deadline. `begun`: passed to the dispatch. */
static inline bool mw_call_is_request(const struct mw_call *call, bool begun) {
  return !begun || (!call->finished && call->received == 0 && call->single);
}

#endif
