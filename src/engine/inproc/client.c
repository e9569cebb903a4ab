#include "engine/inproc/client.h"

#include <assert.h>

#include "base/clock.h"
#include "engine/inproc/handler.h"
#include "rpc/rules.h"

/* Number of messages to the server at which send() returns false. */
enum { SEND_LIMIT = 32 };

/* ---- events of the client ---- */

static void report_done(struct mw_client_call *c, const struct mw_status *status, const struct mw_metadata *trailers) {
  c->done = true;
  c->events->done(c->user, status, trailers);
}

static void report_headers(struct mw_client_call *c) {
  c->shown_headers = true;
  c->events->headers(c->user, &c->call.headers);
}

static void report_message(struct mw_client_call *c) {
  struct mw_inproc_message *message = mw_inproc_queue_shift(&c->to_client);
  c->reading = false;
  if (!message->last) mw_call_on_sent(&c->call, 1);
  if (message->len > c->client_limit) {
    mw_inproc_call_end(c, mw_inproc_too_long(c, c->client_limit), mw_status_client_gone());
  } else if (c->events) {
    c->events->message(c->user, mw_inproc_message_bytes(message));
  }
  free(message);
}

static bool may_send(const struct mw_client_call *c) {
  return c->to_server.len <= SEND_LIMIT / 2 || mw_inproc_call_over(c);
}

/* Runs one event a step, because its callback may change the state. An early end is reported after the server's side
 * has seen it; the handler's status after the last message. */
static void step_client(struct mw_client_call *c) {
  static const struct mw_metadata none;
  bool over = c->call.finished;
  if (!c->events || c->done) return;
  if (c->end.due) {
    if (over || c->call.cancelled) report_done(c, &c->end.client, &none);
  } else if (!c->shown_headers && (over || c->call.headers_sent)) {
    report_headers(c);
    mw_inproc_call_wake(c);
  } else if (c->reading && c->to_client.len > 0) {
    report_message(c);
    mw_inproc_call_wake(c);
  } else if (over && c->to_client.len == 0) {
    report_done(c, &c->status, &c->call.trailers);
  } else if (c->stalled && may_send(c)) {
    c->stalled = false;
    c->events->writable(c->user);
    mw_inproc_call_wake(c);
  }
}

static void run_step(struct mw_post *post) {
  struct mw_client_call *c = MW_CONTAINER(post, struct mw_client_call, step);
  c->again = false;
  mw_inproc_step_server(c);
  step_client(c);
  c->stepping = false;
  if (c->again) {
    mw_inproc_call_wake(c);
  } else if (!c->events && c->call.finished) {
    mw_inproc_call_free(c);
  }
}

/* ---- the client's operations ---- */

uint8_t *mw_inproc_call_reserve(struct mw_client_call *c, size_t size) {
  return mw_inproc_queue_reserve(&c->to_server, size);
}

bool mw_inproc_call_over(const struct mw_client_call *c) { return c->done || c->end.due || c->call.finished; }

bool mw_inproc_call_send(struct mw_client_call *c) {
  assert(!c->half_closed);
  if (mw_inproc_call_over(c)) return !c->done;
  mw_inproc_queue_push(&c->to_server, false);
  c->stalled = c->to_server.len >= SEND_LIMIT;
  mw_inproc_call_wake(c);
  return !c->stalled;
}

void mw_inproc_call_half_close(struct mw_client_call *c) {
  c->half_closed = true;
  mw_inproc_call_wake(c);
}

void mw_inproc_call_read(struct mw_client_call *c) {
  assert(!c->reading);
  c->reading = true;
  mw_inproc_call_wake(c);
}

struct mw_client_failure mw_inproc_call_fate(const struct mw_client_call *c) {
  return (struct mw_client_failure){.reach = MW_REACH_SERVER};
}

void mw_inproc_call_cancel(struct mw_client_call *c) {
  mw_inproc_call_end(c, mw_status(MW_CODE_CANCELLED, "the call was cancelled on this side"), mw_status_client_gone());
}

void mw_inproc_call_release(struct mw_client_call *c) {
  if (!c->call.finished) mw_inproc_call_cancel(c);
  mw_list_remove(&c->link);
  c->events = NULL;
  mw_inproc_call_wake(c);
}

/* ---- starting ---- */

static void on_deadline(void *arg) {
  struct mw_client_call *c = arg;
  c->timer = NULL;
  mw_inproc_call_end(c, mw_status(MW_CODE_DEADLINE_EXCEEDED, "Deadline Exceeded"), mw_status_deadline_passed());
}

static int copy_request(struct mw_client_call *c, const struct mw_client_request *request) {
  struct mw_call *call = &c->call;
  char *path = mw_arena_strndup(&call->arena, (const char *)request->path.data, request->path.len);
  if (!path) return MW_ENOMEM;
  call->path = mw_slice(path, request->path.len);
  for (size_t i = 0; request->metadata && i < request->metadata->len; i++) {
    const struct mw_metadata_entry *entry = &request->metadata->entries[i];
    if (mw_metadata_add(&call->request, &call->arena, entry->key, entry->value) != 0) return MW_ENOMEM;
  }
  return 0;
}

static int start_deadline(struct mw_client_call *c, int64_t deadline) {
  c->call.deadline = deadline;
  if (deadline == MW_NEVER) return 0;
  int64_t left = deadline - mw_clock_mono();
  if (left <= 0) {
    on_deadline(c);
    return 0;
  }
  c->timer = mw_timer_start(c->loop, left, on_deadline, c);
  return c->timer ? 0 : MW_ENOMEM;
}

int mw_inproc_call_start(struct mw_channel *channel, const struct mw_client_request *request,
                         const struct mw_client_events *events, void *user, struct mw_client_call **out,
                         struct mw_err *err) {
  struct mw_client_call *c = calloc(1, sizeof *c);
  if (!c) return mw_err_set(err, MW_ENOMEM, "out of memory");
  struct mw_inproc_engine *engine = channel->engine;
  mw_arena_init(&c->call.arena, SIZE_MAX);
  mw_inproc_queue_init(&c->to_server);
  mw_inproc_queue_init(&c->to_client);
  c->loop = engine->loop;
  c->step.run = run_step;
  mw_list_init(&c->step.link);
  if (copy_request(c, request) != 0 || start_deadline(c, request->deadline) != 0) {
    mw_inproc_call_free(c);
    return mw_err_set(err, MW_ENOMEM, "out of memory");
  }
  c->call.ops = &mw_inproc_call_ops;
  c->call.peer = "inproc";
  c->dispatch = engine->dispatch;
  c->channel = channel;
  c->server_limit = engine->max_receive_bytes;
  c->client_limit = channel->max_receive_bytes;
  c->events = events;
  c->user = user;
  mw_list_init(&c->call.link);
  mw_list_push(&engine->calls, &c->link);
  mw_inproc_call_wake(c);
  *out = c;
  return 0;
}
