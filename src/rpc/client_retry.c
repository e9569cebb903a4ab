/* gRFC A6: the next step after a failed attempt, and the schedule of hedges. */
#include <string.h>

#include "base/clock.h"
#include "observe/log.h"
#include "rpc/client_rpc_impl.h"

static const struct mw_metadata none;

/* ---- ends without an attempt ---- */

static void finish_with_err(struct mw_client_rpc *rpc, int rc, struct mw_err *err) {
  struct mw_status status = mw_status(mw_code_of_error(rc), mw_err_text(err));
  mw_client_rpc_finish(rpc, &status, &none);
  mw_err_fini(err);
}

static void on_end_due(struct mw_post *post) {
  struct mw_client_rpc *rpc = MW_CONTAINER(post, struct mw_client_rpc, end);
  rpc->ending = false;
  mw_client_rpc_finish(rpc, &rpc->failure, &none);
}

void mw_client_rpc_finish_soon(struct mw_client_rpc *rpc, struct mw_status status) {
  rpc->failure = status;
  rpc->ending = true;
  rpc->end.run = on_end_due;
  mw_list_init(&rpc->end.link);
  mw_loop_post(rpc->loop, &rpc->end);
}

/* Keeps the failure in case no attempt follows after all. */
static void keep_failure(struct mw_client_rpc *rpc, const struct mw_status *status,
                         const struct mw_metadata *trailers) {
  rpc->failure = mw_status_copy(&rpc->arena, status);
  rpc->failure_trailers = none;
  for (size_t i = 0; i < trailers->len; i++) {
    const struct mw_metadata_entry *entry = &trailers->entries[i];
    if (mw_metadata_add(&rpc->failure_trailers, &rpc->arena, entry->key, entry->value) != 0) return;
  }
}

/* ---- the next attempt ---- */

static void report(const struct mw_client_rpc *rpc, const struct mw_status *status, const char *event) {
  if (!mw_log_enabled(MW_LOG_DEBUG)) return;
  char path[128];
  snprintf(path, sizeof path, "%.*s", (int)rpc->request.path.len, (const char *)rpc->request.path.data);
  const struct mw_log_field fields[] = {
      {"to", path}, {"status", status ? mw_code_name(status->code) : NULL}, {NULL, NULL}};
  mw_log(MW_LOG_DEBUG, fields, "attempt %u of an outbound call%s", rpc->started + 1, event);
}

/* True if the throttle allows another attempt after `status`, which is NULL while others are under way. */
static bool is_allowed(const struct mw_client_rpc *rpc, const struct mw_status *status) {
  if (mw_throttle_allows(rpc->channel->throttle)) return true;
  report(rpc, status, ": throttled");
  return false;
}

/* Ends the RPC: the deadline has passed while no attempt was under way. */
static void on_deadline(void *arg) {
  struct mw_client_rpc *rpc = arg;
  struct mw_status status = mw_status(MW_CODE_DEADLINE_EXCEEDED, "Deadline Exceeded");
  rpc->timer = NULL;
  mw_client_rpc_finish(rpc, &status, &none);
}

/* Runs `fire` after `delay`, or on_deadline() if the deadline is sooner and no attempt is under way. If the timer
 * cannot be allocated and no attempt is under way, the RPC ends with the newest failure. */
static void wait(struct mw_client_rpc *rpc, int64_t delay, void (*fire)(void *arg)) {
  int64_t left = rpc->request.deadline == MW_NEVER ? MW_NEVER : rpc->request.deadline - mw_clock_mono();
  mw_timer_stop(rpc->timer);
  rpc->timer = left <= delay && rpc->active == 0 ? mw_timer_start(rpc->loop, left, on_deadline, rpc)
                                                 : mw_timer_start(rpc->loop, delay, fire, rpc);
  if (!rpc->timer && rpc->active == 0) mw_client_rpc_finish(rpc, &rpc->failure, &rpc->failure_trailers);
}

static void on_retry_due(void *arg) {
  struct mw_client_rpc *rpc = arg;
  struct mw_err err = MW_ERR_INIT;
  rpc->timer = NULL;
  report(rpc, &rpc->failure, "");
  int rc = mw_client_rpc_attempt(rpc, &err);
  if (rc != 0) finish_with_err(rpc, rc, &err);
}

/* True if the number of attempts allows another one. */
static bool has_more(const struct mw_client_rpc *rpc, unsigned max_attempts) {
  return !rpc->no_more && rpc->started < max_attempts;
}

/* ---- hedging ---- */

static void on_hedge_due(void *arg) {
  struct mw_client_rpc *rpc = arg;
  struct mw_err err = MW_ERR_INIT;
  rpc->timer = NULL;
  mw_client_rpc_enter(rpc);
  if (!is_allowed(rpc, NULL)) {
    rpc->no_more = true;
  } else {
    report(rpc, NULL, "");
    if (mw_client_rpc_attempt(rpc, &err) != 0) rpc->no_more = true; /* without memory; those under way continue */
  }
  mw_err_fini(&err);
  if (rpc->active == 0) {
    mw_client_rpc_finish(rpc, &rpc->failure, &rpc->failure_trailers);
  } else {
    mw_client_rpc_hedge(rpc);
  }
  mw_client_rpc_leave(rpc);
}

void mw_client_rpc_hedge(struct mw_client_rpc *rpc) {
  const struct mw_hedging_policy *policy = &rpc->policy->hedging;
  if (has_more(rpc, policy->max_attempts)) wait(rpc, policy->delay, on_hedge_due);
}

static void hedge_failed(struct mw_client_rpc *rpc, int64_t pushback, const struct mw_status *status,
                         const struct mw_metadata *trailers) {
  const struct mw_hedging_policy *policy = &rpc->policy->hedging;
  bool fatal = !mw_code_set_has(policy->codes, status->code), forbidden = pushback == -1;
  if (!fatal || forbidden) mw_throttle_failed(rpc->channel->throttle);
  if (forbidden) rpc->no_more = true;
  bool more = !fatal && has_more(rpc, policy->max_attempts) && is_allowed(rpc, status);
  if (!more) {
    rpc->no_more = true;
    mw_timer_stop(rpc->timer);
    rpc->timer = NULL;
    if (fatal || rpc->active == 0) mw_client_rpc_finish(rpc, status, trailers);
    return;
  }
  keep_failure(rpc, status, trailers);
  wait(rpc, pushback >= 0 ? pushback * MW_NS_PER_MS : 0, on_hedge_due);
}

/* ---- retrying ---- */

static void retry_failed(struct mw_client_rpc *rpc, int64_t pushback, const struct mw_status *status,
                         const struct mw_metadata *trailers) {
  const struct mw_retry_policy *policy = &rpc->policy->retry;
  bool retryable = mw_code_set_has(policy->codes, status->code), forbidden = pushback == -1;
  if (retryable || forbidden) mw_throttle_failed(rpc->channel->throttle);
  if (!retryable || forbidden || !has_more(rpc, policy->max_attempts) || !is_allowed(rpc, status)) {
    mw_client_rpc_finish(rpc, status, trailers);
    return;
  }
  keep_failure(rpc, status, trailers);
  if (pushback >= 0) {
    rpc->backoffs = 0;
    wait(rpc, pushback * MW_NS_PER_MS, on_retry_due);
  } else {
    wait(rpc, mw_retry_backoff(policy, ++rpc->backoffs, mw_retry_random()), on_retry_due);
  }
}

/* ---- deciding ---- */

/* Repeats an attempt that no handler has seen. Returns true if it did. The number is limited: a server that ends
 * each connection at once must not keep an RPC without a deadline alive for ever. */
static bool repeat(struct mw_attempt *attempt, enum mw_client_progress reach) {
  struct mw_client_rpc *rpc = attempt->rpc;
  if (reach == MW_REACH_SERVER || (reach == MW_REACH_REFUSED && rpc->refused_once)) return false;
  if (reach == MW_REACH_NONE && rpc->repeats++ == MW_REPEATS_MAX) return false;
  if (reach == MW_REACH_REFUSED) rpc->refused_once = true;
  struct mw_err err = MW_ERR_INIT;
  bool repeated = mw_attempt_repeat(attempt, &err) == 0;
  mw_err_fini(&err);
  return repeated;
}

void mw_attempt_failed(struct mw_attempt *attempt, const struct mw_client_failure *fate, const struct mw_status *status,
                       const struct mw_metadata *trailers) {
  enum { NO_PUSHBACK = -2 };
  struct mw_client_rpc *rpc = attempt->rpc;
  enum mw_attempt_policy policy = rpc->policy ? rpc->policy->policy : MW_ATTEMPTS_ONE;
  if (repeat(attempt, fate->reach)) return;
  int64_t pushback = fate->pushback.data ? mw_retry_pushback(fate->pushback) : NO_PUSHBACK;
  if (policy == MW_ATTEMPTS_HEDGE) {
    hedge_failed(rpc, pushback, status, trailers);
  } else if (policy == MW_ATTEMPTS_RETRY) {
    retry_failed(rpc, pushback, status, trailers);
  } else {
    mw_client_rpc_finish(rpc, status, trailers);
  }
}
