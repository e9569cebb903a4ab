#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "bench/load/load.h"

struct call {
  struct call *next_free;
  struct load_conn *conn;
  int64_t since;
  uint64_t sent, may_send, received; /* messages */
  size_t offset;                     /* into the message being sent */
  uint64_t bytes;                    /* received */
  uint8_t prefix[5];                 /* of the message being received */
  size_t have;                       /* bytes of the prefix */
  uint32_t left;                     /* missing bytes of the message */
  int64_t status;                    /* grpc-status; -1 before the trailers */
  int32_t id;
  bool deferred, failed, answered, cancelled;
};

enum { COPIED = 2048 }; /* bytes below which a copy costs less than a piece of its own */

static struct call *free_calls;
static struct call publisher;
static uint64_t n_subscribers;          /* of the publisher; 0: there is none */
static const struct call *first_failed; /* until its stream is closed */
static nghttp2_session_callbacks *callbacks;

enum { NO_COPY = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE, HEADERS = 7 };
static nghttp2_nv headers[HEADERS];

static const struct mw_buf *request_of(const struct call *call) {
  return call == &publisher ? &load.plan.publish : &load.plan.request;
}

static bool is_last(const struct call *call) { return call != &publisher && call->may_send == load.plan.sends; }

static void fail(struct call *call, const char *format, ...) {
  va_list args;
  call->failed = true;
  if (load.why[0]) return;
  first_failed = call;
  va_start(args, format);
  vsnprintf(load.why, sizeof load.why, format, args);
  va_end(args);
}

static void set_header(size_t i, const char *name, const char *value) {
  headers[i] = (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
                            .value = (uint8_t *)(uintptr_t)value,
                            .namelen = strlen(name),
                            .valuelen = strlen(value),
                            .flags = NO_COPY};
}

/* ---- sending ---- */

static ssize_t on_body(nghttp2_session *session, int32_t id, uint8_t *buf, size_t length, uint32_t *flags,
                       nghttp2_data_source *source, void *arg) {
  struct call *call = source->ptr;
  uint64_t left = (call->may_send - call->sent) * request_of(call)->len - call->offset;
  if (left == 0) {
    call->deferred = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (left > length) return (ssize_t)length;
  if (is_last(call)) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return (ssize_t)left;
}

static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header, size_t length,
                        nghttp2_data_source *source, void *arg) {
  struct call *call = source->ptr;
  const struct mw_buf *request = request_of(call);
  if (h2_full(&call->conn->h2)) return NGHTTP2_ERR_WOULDBLOCK;
  h2_put(&call->conn->h2, header, 9);
  while (length > 0) {
    size_t left = request->len - call->offset, step = length < left ? length : left;
    if (step < COPIED) {
      h2_put(&call->conn->h2, request->data + call->offset, step);
    } else {
      h2_put_borrowed(&call->conn->h2, request->data + call->offset, step);
    }
    length -= step;
    call->offset += step;
    if (call->offset == request->len) {
      call->offset = 0;
      call->sent++;
    }
  }
  return 0;
}

/* ---- receiving ---- */

static void allow(struct call *call) {
  call->may_send++;
  if (!call->deferred) return;
  call->deferred = false;
  if (nghttp2_session_resume_data(call->conn->h2.session, call->id) != 0) abort();
  h2_touch(&call->conn->h2);
}

/* Lets the publisher send what all subscribers may be without. */
static void allow_publisher(void) {
  uint64_t window = load.plan.window ? load.plan.window : 1;
  while (!load.stopping && publisher.may_send < load.received / n_subscribers + window) allow(&publisher);
}

static void cancel(struct call *call) {
  call->cancelled = true;
  int rc = nghttp2_submit_rst_stream(call->conn->h2.session, NGHTTP2_FLAG_NONE, call->id, NGHTTP2_CANCEL);
  if (rc != 0) abort();
}

static void on_message(struct call *call) {
  call->received++;
  if (call == &publisher) return;
  load.counts.received++;
  load.received++;
  if (load.plan.cancel && call->received == load.plan.receives) cancel(call);
  if (n_subscribers > 0) {
    allow_publisher();
  } else if (load.plan.window > 0) {
    int64_t now = mw_clock_mono();
    histogram_add(&load.counts.latency, now - call->since);
    call->since = now;
    if (call->may_send < load.plan.sends) allow(call);
  }
}

/* Compares the next bytes with the expected reply, which repeats. */
static void compare(struct call *call, const uint8_t *data, size_t len) {
  const struct mw_buf *reply = &load.plan.reply;
  size_t at = call->bytes % reply->len;
  while (len > 0) {
    size_t step = len < reply->len - at ? len : reply->len - at;
    if (memcmp(data, reply->data + at, step) != 0) {
      fail(call, "message %llu is not the one that is expected", (unsigned long long)call->received + 1);
      return;
    }
    data += step;
    len -= step;
    at = 0;
  }
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len, void *arg) {
  struct call *call = nghttp2_session_get_stream_user_data(session, id);
  if (!call || call->cancelled) return 0;
  load.counts.received_bytes += len;
  if (load.plan.reply.len > 0 && call != &publisher) compare(call, data, len);
  call->bytes += len;
  while (len > 0 && !call->cancelled) {
    if (call->left > 0) {
      uint32_t step = len < call->left ? (uint32_t)len : call->left;
      call->left -= step;
      data += step;
      len -= step;
    } else {
      call->prefix[call->have++] = *data++;
      len--;
      if (call->have < sizeof call->prefix) continue;
      const uint8_t *p = call->prefix;
      if (p[0] != 0) fail(call, "message %llu is compressed", (unsigned long long)call->received + 1);
      call->left = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
    }
    if (call->left == 0) {
      call->have = 0;
      on_message(call);
    }
  }
  return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *arg) {
  struct call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
  if (!call) return 0;
  if (!call->answered) {
    call->answered = true;
    load.answered++;
  }
  if (name_len == 11 && memcmp(name, "grpc-status", 11) == 0) {
    call->status = value_len == 1 ? value[0] - '0' : 99;
    if (call->status != 0) fail(call, "grpc-status %.*s", (int)value_len, (const char *)value);
  } else if (call == first_failed && name_len == 12 && memcmp(name, "grpc-message", 12) == 0) {
    size_t used = strlen(load.why);
    snprintf(load.why + used, sizeof load.why - used, " %.*s", (int)value_len, (const char *)value);
  }
  return 0;
}

/* Checks a call that has ended. */
static void check(struct call *call, uint32_t error) {
  const struct load_plan *plan = &load.plan;
  uint64_t expected = plan->unchecked ? call->bytes : plan->reply_bytes;
  if (error != NGHTTP2_NO_ERROR && call->status != 0) {
    fail(call, "the stream was reset: %s", nghttp2_http2_strerror(error));
  } else if (call->status < 0) {
    fail(call, "no grpc-status");
  } else if (call->status == 0 && call != &publisher && (call->received != plan->receives || call->bytes != expected)) {
    fail(call, "%llu messages of %llu bytes came, rather than %llu of %llu", (unsigned long long)call->received,
         (unsigned long long)call->bytes, (unsigned long long)plan->receives, (unsigned long long)expected);
  }
}

static void count(const struct call *call) {
  if (call->failed) {
    load.counts.failed++;
  } else if (call != &publisher) {
    load.counts.calls++;
    load.counts.sent += call->sent;
    load.counts.sent_bytes += call->sent * load.plan.request.len;
    if (load.plan.window == 0) histogram_add(&load.counts.latency, mw_clock_mono() - call->since);
  }
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *arg) {
  struct call *call = nghttp2_session_get_stream_user_data(session, id);
  if (!call) return 0;
  if (!call->cancelled) check(call, error);
  count(call);
  if (call == first_failed) first_failed = NULL;
  struct load_conn *conn = call->conn;
  conn->under_way--;
  load.under_way--;
  if (call == &publisher) return 0;
  call->next_free = free_calls;
  free_calls = call;
  load.on_done(conn);
  return 0;
}

/* ---- calls and connections ---- */

static void submit(struct call *call) {
  nghttp2_data_provider body = {.source.ptr = call, .read_callback = on_body};
  call->id = nghttp2_submit_request(call->conn->h2.session, NULL, headers, HEADERS, &body, call);
  if (call->id < 0) {
    fprintf(stderr, "load: no further streams on this connection\n");
    exit(1);
  }
  call->conn->under_way++;
  load.under_way++;
  h2_touch(&call->conn->h2);
}

void load_call(struct load_conn *conn, int64_t since) {
  struct call *call = free_calls;
  if (call) {
    free_calls = call->next_free;
  } else if (!(call = malloc(sizeof *call))) {
    abort();
  }
  bool bounded = load.plan.window > 0 && !load.plan.publish_path && load.plan.window < load.plan.sends;
  *call = (struct call){.conn = conn, .since = since, .status = -1};
  call->may_send = bounded ? load.plan.window : load.plan.sends;
  submit(call);
}

void load_publish(uint64_t subscribers) {
  n_subscribers = subscribers;
  publisher = (struct call){.conn = &load.conns[0], .status = -1};
  set_header(2, ":path", load.plan.publish_path);
  submit(&publisher);
  allow_publisher();
}

static void on_close(struct h2_conn *h2) {
  struct load_conn *conn = MW_CONTAINER(h2, struct load_conn, h2);
  if (load.stopping && conn->under_way == 0) return;
  fprintf(stderr, "load: the server closed a connection\n");
  exit(1);
}

static void make_callbacks(void) {
  callbacks = h2_callbacks();
  nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
}

static void on_connected(uv_connect_t *connect, int status) {
  struct load_conn *conn = connect->data;
  nghttp2_session *session;
  h2_check(status, load.plan.address);
  if (nghttp2_session_client_new(&session, callbacks, &conn->h2) != 0) abort();
  h2_start(&conn->h2, session);
}

void load_connect(void) {
  char host[64];
  int port;
  struct sockaddr_in at;
  if (sscanf(load.plan.address, "%63[0-9.]:%d", host, &port) != 2) h2_check(UV_EINVAL, load.plan.address);
  h2_check(uv_ip4_addr(host, port, &at), load.plan.address);
  set_header(0, ":method", "POST");
  set_header(1, ":scheme", "http");
  set_header(2, ":path", load.plan.path);
  set_header(3, ":authority", load.plan.address);
  set_header(4, "content-type", "application/grpc");
  set_header(5, "te", "trailers");
  set_header(6, "user-agent", "grpc-c-bench/1");
  make_callbacks();
  load.conns = calloc((size_t)load.plan.connections, sizeof *load.conns);
  if (!load.conns) abort();
  for (int i = 0; i < load.plan.connections; i++) {
    struct load_conn *conn = &load.conns[i];
    uv_connect_t connect = {.data = conn};
    h2_init(&load.loop, &conn->h2);
    conn->h2.on_close = on_close;
    h2_check(uv_tcp_connect(&connect, &conn->h2.tcp, (const struct sockaddr *)&at, on_connected), load.plan.address);
    while (!conn->h2.session) uv_run(&load.loop.uv, UV_RUN_ONCE);
  }
}
