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
  bool deferred, failed;
};

enum { COPIED = 2048 }; /* bytes below which a copy costs less than a piece of its own */

static struct call *free_calls;
static const struct call *first_failed; /* until its stream is closed */
static nghttp2_session_callbacks *callbacks;

enum { NO_COPY = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE, HEADERS = 7 };
static nghttp2_nv headers[HEADERS];

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
  uint64_t left = (call->may_send - call->sent) * load.plan.request.len - call->offset;
  if (left == 0) {
    call->deferred = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (left > length) return (ssize_t)length;
  if (call->may_send == load.plan.sends) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return (ssize_t)left;
}

static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header, size_t length,
                        nghttp2_data_source *source, void *arg) {
  struct call *call = source->ptr;
  const struct mw_buf *request = &load.plan.request;
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

static void on_message(struct call *call, int32_t id) {
  call->received++;
  load.counts.received++;
  if (!load.plan.lockstep) return;
  int64_t now = mw_clock_mono();
  histogram_add(&load.counts.latency, now - call->since);
  call->since = now;
  if (call->may_send == load.plan.sends) return;
  call->may_send++;
  if (!call->deferred) return;
  call->deferred = false;
  if (nghttp2_session_resume_data(call->conn->h2.session, id) != 0) abort();
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
  if (!call) return 0;
  load.counts.received_bytes += len;
  if (load.plan.reply.len > 0) compare(call, data, len);
  call->bytes += len;
  while (len > 0) {
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
      on_message(call, id);
    }
  }
  return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *arg) {
  struct call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
  if (!call) return 0;
  if (name_len == 11 && memcmp(name, "grpc-status", 11) == 0) {
    call->status = value_len == 1 ? value[0] - '0' : 99;
    if (call->status != 0) fail(call, "grpc-status %.*s", (int)value_len, (const char *)value);
  } else if (call == first_failed && name_len == 12 && memcmp(name, "grpc-message", 12) == 0) {
    size_t used = strlen(load.why);
    snprintf(load.why + used, sizeof load.why - used, " %.*s", (int)value_len, (const char *)value);
  }
  return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *arg) {
  struct call *call = nghttp2_session_get_stream_user_data(session, id);
  struct load_plan *plan = &load.plan;
  if (!call) return 0;
  uint64_t expected = plan->unchecked ? call->bytes : plan->reply_bytes;
  if (error != NGHTTP2_NO_ERROR && call->status != 0) {
    fail(call, "the stream was reset: %s", nghttp2_http2_strerror(error));
  } else if (call->status < 0) {
    fail(call, "no grpc-status");
  } else if (call->status == 0 && (call->received != plan->receives || call->bytes != expected)) {
    fail(call, "%llu messages of %llu bytes came, rather than %llu of %llu", (unsigned long long)call->received,
         (unsigned long long)call->bytes, (unsigned long long)plan->receives, (unsigned long long)expected);
  }
  if (call->failed) {
    load.counts.failed++;
  } else {
    load.counts.calls++;
    load.counts.sent += call->sent;
    load.counts.sent_bytes += call->sent * plan->request.len;
    if (!plan->lockstep) histogram_add(&load.counts.latency, mw_clock_mono() - call->since);
  }
  if (call == first_failed) first_failed = NULL;
  struct load_conn *conn = call->conn;
  call->next_free = free_calls;
  free_calls = call;
  conn->under_way--;
  load.under_way--;
  load.on_done(conn);
  return 0;
}

/* ---- calls and connections ---- */

void load_call(struct load_conn *conn, int64_t since) {
  struct call *call = free_calls;
  if (call) {
    free_calls = call->next_free;
  } else if (!(call = malloc(sizeof *call))) {
    abort();
  }
  *call = (struct call){.conn = conn, .since = since, .status = -1};
  call->may_send = load.plan.lockstep ? 1 : load.plan.sends;
  nghttp2_data_provider body = {.source.ptr = call, .read_callback = on_body};
  if (nghttp2_submit_request(conn->h2.session, NULL, headers, HEADERS, &body, call) < 0) {
    fprintf(stderr, "load: no further streams on this connection\n");
    exit(1);
  }
  conn->under_way++;
  load.under_way++;
  h2_touch(&conn->h2);
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
