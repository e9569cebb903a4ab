#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "rpc/client_rpc_impl.h"

/* Headers without an entry may be a trailers-only response, which may be retried. They wait this long for a message
 * or the end of the call. */
enum { EMPTY_HEADERS_MS = 10 };

static const struct mw_metadata none;

/* ---- starting ---- */

static const struct mw_client_events attempt_events;

/* Builds the request of an attempt. The metadata of a later attempt has the number of previous ones. */
static int copy_request(struct mw_attempt *attempt, struct mw_client_request *request, struct mw_metadata *metadata,
                        char number[12]) {
  struct mw_client_rpc *rpc = attempt->rpc;
  *request = rpc->request;
  if (attempt->previous == 0) return 0;
  for (size_t i = 0; i < rpc->metadata.len; i++) {
    const struct mw_metadata_entry *entry = &rpc->metadata.entries[i];
    if (mw_metadata_add_view(metadata, &rpc->arena, entry->key, entry->value) != 0) return MW_ENOMEM;
  }
  snprintf(number, 12, "%u", attempt->previous);
  request->metadata = metadata;
  return mw_metadata_add_view(metadata, &rpc->arena, mw_slice_str("grpc-previous-rpc-attempts"), mw_slice_str(number));
}

static int start(struct mw_attempt *attempt, struct mw_err *err) {
  struct mw_client_rpc *rpc = attempt->rpc;
  struct mw_client_request request;
  struct mw_metadata metadata = {0};
  char number[12];
  if (!rpc->channel) return mw_err_set(err, MW_ECLOSED, "the channel is closed");
  if (copy_request(attempt, &request, &metadata, number) != 0) return mw_err_set(err, MW_ENOMEM, "out of memory");
  int rc = rpc->ops->start(rpc->channel->engine_channel, &request, &attempt_events, attempt, &attempt->call, err);
  if (rc != 0) return rc;
  attempt->unsent = rpc->held;
  attempt->stalled = attempt->closed = attempt->reading = attempt->empty_headers = false;
  rpc->active++;
  if (!rpc->ops->local) rpc->loop->n_remote++;
  mw_attempt_read(attempt);
  mw_attempt_pump(attempt);
  return 0;
}

int mw_client_rpc_attempt(struct mw_client_rpc *rpc, struct mw_err *err) {
  struct mw_attempt *attempt = &rpc->attempts[rpc->started];
  attempt->rpc = rpc;
  attempt->previous = rpc->started;
  int rc = start(attempt, err);
  if (rc == 0) rpc->started++;
  return rc;
}

int mw_attempt_repeat(struct mw_attempt *attempt, struct mw_err *err) { return start(attempt, err); }

/* ---- sending and reading ---- */

/* Frees the held messages that the winner has sent. */
static void let_go_of_sent(struct mw_client_rpc *rpc) {
  while (rpc->held && rpc->held != rpc->winner->unsent) {
    struct mw_held_message *message = rpc->held;
    rpc->held = message->next;
    free(message);
  }
  if (!rpc->held) rpc->tail = &rpc->held;
}

void mw_attempt_pump(struct mw_attempt *attempt) {
  struct mw_client_rpc *rpc = attempt->rpc;
  while (attempt->unsent && !attempt->stalled) {
    struct mw_held_message *message = attempt->unsent;
    uint8_t *out = rpc->ops->reserve(attempt->call, message->len);
    if (!out) {
      rpc->ops->cancel(attempt->call); /* without memory */
      return;
    }
    memcpy(out, message->bytes, message->len);
    attempt->unsent = message->next;
    attempt->stalled = !rpc->ops->send(attempt->call);
  }
  if (rpc->winner == attempt) let_go_of_sent(rpc);
  if (attempt->unsent || attempt->closed || !rpc->half_closed) return;
  attempt->closed = true;
  rpc->ops->half_close(attempt->call);
}

void mw_attempt_read(struct mw_attempt *attempt) {
  if (!attempt->rpc->want_read || attempt->reading) return;
  attempt->reading = true;
  attempt->rpc->ops->read(attempt->call);
}

void mw_attempt_commit(struct mw_attempt *attempt) {
  struct mw_client_rpc *rpc = attempt->rpc;
  if (rpc->winner) return;
  rpc->winner = attempt;
  mw_timer_stop(rpc->timer);
  rpc->timer = NULL;
  mw_client_rpc_drop(rpc, attempt);
  let_go_of_sent(rpc);
}

/* ---- events ---- */

static void report_headers(struct mw_client_rpc *rpc, const struct mw_metadata *headers) {
  mw_timer_stop(rpc->headers_timer);
  rpc->headers_timer = NULL;
  if (rpc->headers_reported) return;
  rpc->headers_reported = true;
  rpc->events->headers(rpc->user, headers);
}

/* Nothing has followed the headers, so they are no trailers-only response. */
static void on_headers_timer(void *arg) {
  struct mw_client_rpc *rpc = arg;
  rpc->headers_timer = NULL;
  for (size_t i = 0; i < MW_ATTEMPTS_MAX; i++) {
    struct mw_attempt *attempt = &rpc->attempts[i];
    if (!attempt->call || !attempt->empty_headers) continue;
    mw_client_rpc_enter(rpc);
    mw_attempt_commit(attempt);
    report_headers(rpc, &none);
    mw_client_rpc_leave(rpc);
    return;
  }
}

static void on_headers(void *user, const struct mw_metadata *headers) {
  struct mw_attempt *attempt = user;
  struct mw_client_rpc *rpc = attempt->rpc;
  if (headers->len == 0 && rpc->winner != attempt) {
    attempt->empty_headers = true;
    if (rpc->headers_timer) return;
    rpc->headers_timer = mw_timer_start_real(rpc->loop, EMPTY_HEADERS_MS * MW_NS_PER_MS, on_headers_timer, rpc);
    if (rpc->headers_timer) return;
  }
  mw_client_rpc_enter(rpc);
  mw_attempt_commit(attempt);
  report_headers(rpc, headers);
  mw_client_rpc_leave(rpc);
}

static void on_message(void *user, struct mw_slice bytes) {
  struct mw_attempt *attempt = user;
  struct mw_client_rpc *rpc = attempt->rpc;
  mw_client_rpc_enter(rpc);
  attempt->reading = false;
  rpc->want_read = false;
  mw_attempt_commit(attempt);
  report_headers(rpc, &none);
  if (!rpc->done) rpc->events->message(rpc->user, bytes);
  mw_client_rpc_leave(rpc);
}

static void on_writable(void *user) {
  struct mw_attempt *attempt = user;
  struct mw_client_rpc *rpc = attempt->rpc;
  attempt->stalled = false;
  mw_attempt_pump(attempt);
  if (attempt->stalled || !rpc->stalled) return;
  rpc->stalled = false;
  rpc->events->writable(rpc->user);
}

static void on_done(void *user, const struct mw_status *status, const struct mw_metadata *trailers) {
  struct mw_attempt *attempt = user;
  struct mw_client_rpc *rpc = attempt->rpc;
  struct mw_client_failure fate = rpc->ops->fate(attempt->call);
  mw_client_rpc_enter(rpc);
  struct mw_client_call *call = attempt->call;
  attempt->call = NULL;
  attempt->empty_headers = false;
  rpc->active--;
  if (!rpc->ops->local) rpc->loop->n_remote--;
  if (rpc->winner == attempt || rpc->cancelled || status->code == MW_CODE_OK) {
    mw_client_rpc_finish(rpc, status, trailers);
  } else {
    rpc->failed(attempt, &fate, status, trailers);
  }
  rpc->ops->release(call);
  mw_client_rpc_leave(rpc);
}

static const struct mw_client_events attempt_events = {on_headers, on_message, on_writable, on_done};
