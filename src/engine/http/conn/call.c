#include "engine/http/conn/call.h"

#include <stdlib.h>

#include "base/clock.h"
#include "engine/http/conn/call_queue.h"
#include "engine/http/conn/reply.h"
#include "rpc/call_end.h"
#include "rpc/rules.h"

enum { POOL_MAX = 1024 };

/* Least bytes a second that a client has to send of a message. */
enum { PACE = 500 };

static const struct mw_engine_call_ops ops;

static void run(struct mw_run_item *item);

/* ---- life ---- */

static void wake(struct mw_send_backlog_share *share) {
  mw_http_call_queue(MW_CONTAINER(share, struct mw_http_call, backlog_share));
}

static struct mw_http_call *call_new(struct mw_http_engine *engine) {
  struct mw_http_call *c = calloc(1, sizeof *c);
  if (!c) return NULL;
  mw_list_init(&c->link);
  mw_list_init(&c->answered);
  mw_run_item_init(&c->item, run);
  mw_list_init(&c->call.link);
  mw_list_init(&c->reservation.link);
  mw_send_backlog_share_init(&c->backlog_share, wake);
  mw_arena_init(&c->call.arena, SIZE_MAX);
  mw_http_reader_init(&c->reader, engine->max_receive_bytes);
  c->call.deadline = MW_NEVER;
  return c;
}

static void call_free(struct mw_http_call *c) {
  mw_list_remove(&c->link);
  mw_http_reader_fini(&c->reader);
  mw_arena_fini(&c->call.arena);
  free(c);
}

void mw_http_calls_free(struct mw_http_engine *engine) {
  while (!mw_list_empty(&engine->pool)) call_free(MW_CONTAINER(engine->pool.next, struct mw_http_call, link));
}

struct mw_http_call *mw_http_call_open(struct mw_http_conn *conn, int32_t stream) {
  struct mw_http_engine *engine = conn->engine;
  struct mw_list *pooled = mw_list_shift(&engine->pool);
  if (pooled) engine->n_pool--;
  struct mw_http_call *c = pooled ? MW_CONTAINER(pooled, struct mw_http_call, link) : call_new(engine);
  if (!c) return NULL;
  c->conn = conn;
  conn->refs++;
  c->stream = stream;
  c->opened = conn->session.frames.flood.now;
  c->window = MW_HTTP_STREAM_WINDOW;
  c->reader.credits_partial = false;
  c->backlog_share.backlog = &conn->session.backlog;
  mw_list_push(&conn->session.calls, &c->link);
  mw_http_request_init(&c->request, &c->call.arena, engine->max_metadata_bytes);
  return c;
}

/* Releases the receive quota of the call. The next call in the queue tries again. */
static void release_quota(struct mw_http_call *c) {
  struct mw_http_quota *quota = &c->conn->session.quota;
  c->reader.credits_partial = false;
  if (c->reservation.bytes == 0 && mw_list_empty(&c->reservation.link)) return;
  mw_http_quota_release(quota, &c->reservation);
  struct mw_http_reservation *next = mw_http_quota_first(quota);
  if (next) mw_http_call_queue(MW_CONTAINER(next, struct mw_http_call, reservation));
}

/* Releases everything of the call, and resets its fields for the next one. */
static void clear(struct mw_http_call *c) {
  if (c->remote) c->conn->engine->sharing->end(c->remote);
  c->remote = NULL;
  release_quota(c);
  c->conn->session.grown -= c->window - MW_HTTP_STREAM_WINDOW;
  mw_list_remove(&c->link);
  mw_run_item_remove(&c->item);
  mw_list_remove(&c->item.link);
  mw_list_remove(&c->answered);
  mw_timer_stop(c->timer);
  mw_http_outbox_clear(&c->outbox);
  mw_send_backlog_leave(&c->backlog_share);
  mw_http_reader_reset(&c->reader);
  mw_arena_reset(&c->call.arena);
  c->timer = NULL;
  c->compression = MW_COMPRESSION_IDENTITY;
  c->unreported = 0;
  c->promised = 0;
  c->consumed = 0;
  c->data_bytes = 0;
  c->input.since = c->output.since = 0;
  c->phase = MW_HTTP_REQUEST_OPEN;
  c->headers = MW_HTTP_HEADERS_NONE;
  c->second_message = c->running = c->lost = false;
  c->compressed = false;
  c->response_done = c->deferred = c->finishing = false;
  c->call.finished = c->call.cancelled = c->call.reading = false;
  c->call.received = 0;
  c->call.deadline = MW_NEVER;
}

void mw_http_call_recycle(struct mw_http_call *c) {
  struct mw_http_conn *conn = c->conn;
  struct mw_http_engine *engine = conn->engine;
  clear(c);
  if (engine->n_pool < POOL_MAX) {
    mw_list_push(engine->pool.next, &c->link); /* as the next to be used: it is in the processor's cache */
    engine->n_pool++;
  } else {
    call_free(c);
  }
  mw_http_conn_unref(conn);
}

void mw_http_call_abandon(struct mw_http_call *c) {
  mw_list_remove(&c->call.link);
  mw_http_call_recycle(c);
}

/* ---- events of the session ---- */

bool mw_http_call_take_data(struct mw_http_call *c, struct mw_slice bytes) {
  c->data_bytes += bytes.len;
  if (c->call.finished || c->lost) return true; /* no handler reads it */
  mw_http_call_queue(c);
  return mw_http_reader_feed(&c->reader, bytes) == 0;
}

void mw_http_call_keep_data(struct mw_http_call *c) {
  if (c->reader.chunk.len > 0 && mw_http_reader_keep(&c->reader) != 0) mw_http_reply_reset(c);
}

void mw_http_call_take_frame(struct mw_http_call *c, bool end) {
  if (c->phase == MW_HTTP_REQUEST_OPEN) {
    c->phase = MW_HTTP_REQUEST_COMPLETE;
    c->call.arrived = c->conn->arrived;
    c->call.deadline = mw_time_add(c->call.arrived, c->request.timeout);
  }
  if (end) mw_http_reader_end(&c->reader);
  mw_http_call_queue(c);
}

void mw_http_call_lose_stream(struct mw_http_call *c) {
  c->lost = true;
  mw_http_call_queue(c);
}

/* ---- the end ---- */

static void drop_response(struct mw_http_call *c) {
  mw_http_outbox_clear(&c->outbox);
  mw_http_call_count(c);
}

static void expire(struct mw_http_call *c) {
  if (c->call.finished) {
    mw_http_reply_reset(c); /* the client has not read the rest of the response in time */
  } else if (!c->call.cancelled) {
    drop_response(c);
    mw_call_reject(&c->call, mw_status_deadline_passed());
  }
}

static void on_deadline(void *arg) {
  struct mw_http_call *c = arg;
  c->timer = NULL;
  expire(c);
}

/* ---- receiving ---- */

static void deliver(struct mw_http_call *c, struct mw_slice message) {
  release_quota(c);
  mw_call_on_message(&c->call, message);
}

/* Returns true while a second message may follow the one that the method takes. Until then it stays in the reader. */
static bool is_held(const struct mw_http_call *c) {
  return c->call.single && !c->reader.ended && !c->second_message && mw_http_reader_holds_one_message(&c->reader);
}

static void on_message(struct mw_http_call *c, struct mw_slice message) {
  c->call.request_encoding = c->reader.compressed ? mw_compression_name(c->request.compression) : NULL;
  if (c->reader.compressed) c->compressed = true;
  if (c->second_message) {
    mw_call_reject(&c->call, mw_status_second_request());
  } else if (c->call.single && mw_http_reader_held(&c->reader) > 0) {
    c->second_message = true;
  } else {
    deliver(c, message);
  }
}

static void on_end(struct mw_http_call *c) {
  if (!c->call.single || c->call.received > 0) {
    mw_call_on_end(&c->call);
  } else {
    mw_call_reject(&c->call, mw_status_no_request());
  }
}

/* Reserves receive quota for a message larger than half of the window, and gives the client credit for it. Half,
 * because nghttp2 holds WINDOW_UPDATE back until half of the window is consumed. */
static void reserve_quota(struct mw_http_call *c) {
  struct mw_http_session *session = &c->conn->session;
  size_t limit = c->conn->engine->limits.buffer_bytes, size = mw_http_reader_partial_size(&c->reader);
  if (size > 0 && c->second_message) {
    mw_call_reject(&c->call, mw_status_second_request());
    return;
  }
  if (size <= MW_HTTP_STREAM_WINDOW / 2 || c->reservation.bytes > 0 || c->lost) return;
  if (!mw_http_quota_reserve(&session->quota, &c->reservation, size, limit)) return;
  mw_http_reader_grant(&c->reader);
  struct mw_http_reservation *next = mw_http_quota_first(&session->quota);
  if (next) mw_http_call_queue(MW_CONTAINER(next, struct mw_http_call, reservation));
}

/* Delivers messages, or the end of the request, while the handler waits for them. */
static void deliver_messages(struct mw_http_call *c) {
  struct mw_err err = MW_ERR_INIT;
  while (c->call.reading && !c->call.finished && !c->call.cancelled && !is_held(c)) {
    struct mw_slice message;
    c->reader.compressed = false; /* of this one */
    int rc = mw_http_reader_next(&c->reader, &c->conn->engine->scratch, &message, &err);
    if (rc == MW_HTTP_READ_MORE) break;
    if (rc == MW_HTTP_READ_MESSAGE) {
      on_message(c, message);
    } else if (rc == MW_HTTP_READ_END) {
      on_end(c);
    } else {
      mw_call_reject(&c->call, mw_status_bad_message(rc, &err));
    }
  }
  mw_err_fini(&err);
  if (c->call.reading && !c->call.finished && !c->call.cancelled) reserve_quota(c);
}

/* Doubles the window of a stream once its call has read a whole window. */
static void grow_window(struct mw_http_call *c, size_t credit) {
  struct mw_http_session *session = &c->conn->session;
  c->consumed += credit;
  if (c->consumed < c->window || c->window >= MW_HTTP_STREAM_WINDOW_MAX) return;
  if (session->grown + c->window > MW_HTTP_GROWTH_MAX) return;
  if (nghttp2_session_set_local_window_size(session->ng, NGHTTP2_FLAG_NONE, c->stream, (int32_t)(2 * c->window)) != 0) {
    return;
  }
  session->grown += c->window;
  c->window *= 2;
  c->consumed = 0;
}

/* Copies the unread bytes, and returns flow-control credit for those that were read. */
static void return_credit(struct mw_http_call *c) {
  if (c->lost) return;
  if (mw_http_reader_keep(&c->reader) != 0) {
    mw_http_reply_reset(c);
    return;
  }
  size_t credit = mw_http_reader_credit(&c->reader);
  if (credit == 0 || c->reader.ended) return;
  nghttp2_session_consume_stream(c->conn->session.ng, c->stream, credit);
  grow_window(c, credit);
  mw_http_conn_mark(c->conn);
}

static bool op_has_room(struct mw_call *call, size_t size) {
  struct mw_http_call *c = MW_CONTAINER(call, struct mw_http_call, call);
  return c->lost || mw_send_backlog_has_room(&c->backlog_share);
}

static void op_read(struct mw_call *call) {
  struct mw_http_call *c = MW_CONTAINER(call, struct mw_http_call, call);
  mw_http_call_queue(c);
}

/* ---- stalls ---- */

/* Returns true while the handler waits for a message that the client has begun, or for the only one of a request. */
static bool owes_input(const struct mw_http_call *c) {
  if (c->phase != MW_HTTP_REQUEST_BEGUN || !c->call.reading || c->call.finished || c->call.cancelled) return false;
  if (!mw_list_empty(&c->reservation.link)) return false; /* the quota holds the client back */
  return c->call.single || mw_http_reader_held(&c->reader) > 0;
}

/* Returns true if the client has sent less than PACE for the message timeout. */
static bool is_slow(struct mw_http_call *c, uint64_t now) {
  double seconds = c->conn->engine->limits.message_seconds;
  bool same = owes_input(c) && c->input_messages == c->call.received;
  c->input_messages = c->call.received;
  if (!mw_http_stalled(&c->input, same, c->input.mark, now, seconds)) {
    if (c->input.since == now) c->input.mark = c->data_bytes;
    return false;
  }
  if (c->data_bytes - c->input.mark < (uint64_t)(PACE * seconds)) return true;
  c->input.since = 0;
  return false;
}

void mw_http_call_check_stall(struct mw_http_call *c, uint64_t now) {
  struct mw_http_engine *engine = c->conn->engine;
  if (c->lost) return;
  if (is_slow(c, now)) {
    mw_http_engine_report(engine, MW_HTTP_REASON_MESSAGE, c->conn->peer, NULL);
    drop_response(c);
    mw_call_reject(&c->call, mw_status(MW_CODE_DEADLINE_EXCEEDED, "a message did not come in time"));
  }
  bool waits = !c->call.finished && !c->call.cancelled && !mw_list_empty(&c->backlog_share.link);
  size_t left = waits ? c->conn->session.backlog.moves : c->outbox.bytes + c->status.message.len;
  if (mw_http_stalled(&c->output, c->call.finished || waits, left, now, engine->limits.send_seconds)) {
    mw_http_engine_report(engine, MW_HTTP_REASON_RESPONSE, c->conn->peer, NULL);
    if (waits) {
      drop_response(c);
      mw_call_reject(&c->call, mw_status(MW_CODE_RESOURCE_EXHAUSTED, "the client does not read from its connection"));
    } else {
      mw_http_reply_reset(c);
    }
    c->output.since = 0; /* the status, too, has the send timeout */
  }
}

/* ---- running ---- */

/* Returns true for a request whose deadline passed in the run queue. Its timer would fire only later in the turn. */
static bool is_expired(const struct mw_http_call *c) {
  if (c->item.deadline == MW_NEVER || c->call.finished) return false;
  return mw_run_queue_now(&c->conn->engine->dispatch->queue) >= c->item.deadline;
}

static void expire_now(struct mw_http_call *c) {
  mw_timer_stop(c->timer);
  c->timer = NULL;
  expire(c);
}

/* Reports sent messages to the handler. A finished call has no handler, and its last message never counted. */
static void report_sent(struct mw_http_call *c) {
  uint32_t sent = c->unreported;
  c->unreported = 0;
  if (sent > 0 && !c->call.finished) mw_call_on_sent(&c->call, sent);
}

static void begin(struct mw_http_call *c) {
  struct mw_call *call = &c->call;
  struct mw_http_engine *engine = c->conn->engine;
  c->phase = MW_HTTP_REQUEST_BEGUN;
  call->ops = &ops;
  call->path = c->request.path;
  call->peer = c->conn->peer;
  struct mw_http_refusal refusal;
  if (!mw_http_request_check(&c->request, &refusal)) {
    call->finished = true;
    call->id = 0;
    call->route = NULL;
    mw_dispatch_log_failed(call, call->path, &refusal.status);
    if (!refusal.grpc) {
      const char *text = (const char *)refusal.status.message.data;
      mw_http_engine_report(engine, MW_HTTP_REASON_NOT_GRPC, call->peer, text);
    }
    mw_http_reply_refuse(c, &refusal);
    return;
  }
  call->request = c->request.metadata;
  mw_http_reader_set_compression(&c->reader, c->request.compression);
  if (engine->sharing && engine->sharing->start(c)) return;
  mw_dispatch_start(engine->dispatch, call);
}

static void start_timer(struct mw_http_call *c) {
  c->timer = mw_timer_start(c->conn->engine->loop, c->call.deadline - mw_clock_mono(), on_deadline, c);
}

/* Starts the deadline's timer after a run, for a call that goes on. The response of a finished call usually leaves
 * before the turn ends, and then needs none. */
static void watch_deadline(struct mw_http_call *c) {
  if (c->timer || c->lost || c->call.deadline == MW_NEVER || c->call.cancelled) return;
  if (!c->call.finished) {
    start_timer(c);
  } else if (c->finishing) {
    mw_http_turn_add(&c->conn->engine->turn.answered, &c->answered);
  }
}

void mw_http_call_watch_response(struct mw_http_call *c) {
  if (!c->timer && !c->lost) start_timer(c);
}

static void run(struct mw_run_item *item) {
  struct mw_http_call *c = MW_CONTAINER(item, struct mw_http_call, item);
  c->running = true;
  if (c->phase == MW_HTTP_REQUEST_COMPLETE && !c->lost) begin(c);
  if (c->phase == MW_HTTP_REQUEST_BEGUN) {
    report_sent(c);
    if (is_expired(c)) expire_now(c);
    mw_send_backlog_report(&c->backlog_share, &c->call);
    deliver_messages(c);
    if (c->lost && !c->call.finished) mw_call_on_cancel(&c->call, mw_call_lost_status(&c->call));
    return_credit(c);
    watch_deadline(c);
  }
  c->running = false;
  if (mw_http_call_is_over(c)) mw_http_call_recycle(c);
}

static const struct mw_engine_call_ops ops = {
    .read = op_read,
    .has_room = op_has_room,
    .reserve = mw_http_reply_reserve,
    .send = mw_http_reply_send,
    .send_headers = mw_http_reply_send_headers,
    .finish = mw_http_reply_finish,
};
