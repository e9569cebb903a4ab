/* nghttp2 gets the headers together with a data source, which is the outbox, and reads from it whenever it can send a
 * DATA frame. An empty outbox defers the source (`deferred`) until there is more or the call ends. The source submits
 * the trailers with the last DATA frame; if no message is left, mw_http_reply_finish() submits them at once. */
#include "engine/http/conn/reply.h"

#include "engine/http/conn/call_queue.h"
#include "engine/http/h2/response.h"

enum { IN_ARENA = 1024, FRAME_HEAD = 9 };

static struct mw_http_call *call_of(struct mw_call *call) { return MW_CONTAINER(call, struct mw_http_call, call); }

static nghttp2_session *ng_of(const struct mw_http_call *c) { return c->conn->session.ng; }

void mw_http_reply_reset(struct mw_http_call *c) {
  if (c->lost) return;
  nghttp2_submit_rst_stream(ng_of(c), NGHTTP2_FLAG_NONE, c->stream, NGHTTP2_CANCEL);
  mw_http_conn_mark(c->conn);
}

/* Resets the stream if a submit has failed, for lack of memory. */
static void check(struct mw_http_call *c, int rc) {
  if (rc != 0) nghttp2_submit_rst_stream(ng_of(c), NGHTTP2_FLAG_NONE, c->stream, NGHTTP2_INTERNAL_ERROR);
}

static int submit_trailers(struct mw_http_call *c) {
  struct mw_http_fields fields;
  int rc = mw_http_response_trailers(&fields, &c->status, &c->call.trailers, &c->call.arena);
  return rc == 0 ? nghttp2_submit_trailer(ng_of(c), c->stream, fields.nv, fields.len) : rc;
}

/* ---- the source of data ---- */

static ssize_t read_outbox(nghttp2_session *ng, int32_t stream, uint8_t *buf, size_t most, uint32_t *flags,
                           nghttp2_data_source *source, void *user) {
  struct mw_http_call *c = source->ptr;
  c->headers = MW_HTTP_HEADERS_SENT;
  if (!mw_http_batch_has_room(&c->conn->engine->batch)) return NGHTTP2_ERR_PAUSE;
  size_t n = c->outbox.bytes < most ? c->outbox.bytes : most;
  *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
  if (c->finishing && n == c->outbox.bytes) {
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    check(c, submit_trailers(c));
  } else if (n == 0) {
    c->deferred = true;
    return NGHTTP2_ERR_DEFERRED;
  }
  return (ssize_t)n;
}

int mw_http_reply_send_data(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *head, size_t length,
                            nghttp2_data_source *source, void *user) {
  struct mw_http_call *c = source->ptr;
  struct mw_http_batch *batch = &c->conn->engine->batch;
  mw_http_batch_copy(batch, head, FRAME_HEAD);
  c->unreported += mw_http_outbox_take(&c->outbox, length, batch);
  mw_http_call_count(c);
  if (c->unreported > 0 && !c->call.finished) mw_http_call_queue(c);
  return 0;
}

/* ---- headers ---- */

static bool is_accepted(const struct mw_http_call *c, enum mw_compression compression) {
  return (c->request.accepts & 1u << compression) != 0;
}

/* As mw_call_set_compression() describes. */
static enum mw_compression choose_compression(const struct mw_http_call *c) {
  const char *wanted = c->call.reply_encoding;
  if (!wanted) {
    bool likewise = c->compressed && is_accepted(c, c->request.compression);
    return likewise ? c->request.compression : MW_COMPRESSION_IDENTITY;
  }
  enum mw_compression first = (enum mw_compression)mw_compression_find(mw_slice_str(wanted));
  if (first == MW_COMPRESSION_IDENTITY || is_accepted(c, first)) return first;
  enum mw_compression other = first == MW_COMPRESSION_GZIP ? MW_COMPRESSION_DEFLATE : MW_COMPRESSION_GZIP;
  return is_accepted(c, other) ? other : MW_COMPRESSION_IDENTITY;
}

static void submit_headers(struct mw_http_call *c) {
  c->headers = MW_HTTP_HEADERS_SUBMITTED;
  c->compression = choose_compression(c);
  nghttp2_data_provider provider = {.source.ptr = c, .read_callback = read_outbox};
  struct mw_http_fields fields;
  int rc = mw_http_response_headers(&fields, c->compression, &c->call.headers, &c->call.arena);
  if (rc == 0) rc = nghttp2_submit_response(ng_of(c), c->stream, fields.nv, fields.len, &provider);
  check(c, rc);
}

/* Submits the headers, or resumes the deferred data source. */
static void resume(struct mw_http_call *c) {
  if (c->headers == MW_HTTP_HEADERS_NONE) {
    submit_headers(c);
  } else if (c->deferred) {
    c->deferred = false;
    nghttp2_session_resume_data(ng_of(c), c->stream);
  }
  mw_http_conn_mark(c->conn);
}

void mw_http_reply_send_headers(struct mw_call *call) {
  struct mw_http_call *c = call_of(call);
  if (!c->lost) resume(c);
}

/* ---- messages ---- */

uint8_t *mw_http_reply_reserve(struct mw_call *call, size_t size) {
  bool in_arena = call->sent == 0 && size <= IN_ARENA;
  return mw_http_outbox_reserve(&call_of(call)->outbox, size, in_arena ? &call->arena : NULL);
}

/* Compresses the reserved message if that makes it smaller. */
static void compress(struct mw_http_call *c) {
  struct mw_slice plain = mw_http_outbox_reserved(&c->outbox);
  struct mw_buf packed = MW_BUF_INIT;
  int rc = mw_compress(c->compression, plain, &packed, NULL);
  if (rc == 0 && packed.len < plain.len) mw_http_outbox_replace(&c->outbox, mw_buf_slice(&packed));
  mw_buf_fini(&packed);
}

void mw_http_reply_send(struct mw_call *call, unsigned flags) {
  struct mw_http_call *c = call_of(call);
  if (c->lost) return; /* run() cancels the call soon */
  if (c->headers == MW_HTTP_HEADERS_NONE) submit_headers(c);
  if (c->compression != MW_COMPRESSION_IDENTITY && !(flags & MW_SEND_PLAIN)) compress(c);
  mw_http_outbox_push(&c->outbox);
  mw_http_call_count(c);
  if (!(flags & MW_SEND_LAST)) resume(c);
}

/* ---- the end ---- */

/* Sends the status in the only header block (Trailers-Only), unless there is header metadata, which a client would take
 * for trailers there. */
static int submit_trailers_only(struct mw_http_call *c) {
  struct mw_http_fields fields;
  struct mw_arena *arena = &c->call.arena;
  nghttp2_session *ng = ng_of(c);
  c->headers = MW_HTTP_HEADERS_SUBMITTED;
  if (c->call.headers.len == 0) {
    int rc = mw_http_response_trailers_only(&fields, &c->status, &c->call.headers, &c->call.trailers, arena);
    return rc == 0 ? nghttp2_submit_response(ng, c->stream, fields.nv, fields.len, NULL) : rc;
  }
  int rc = mw_http_response_headers(&fields, c->compression, &c->call.headers, arena);
  if (rc == 0) rc = nghttp2_submit_headers(ng, NGHTTP2_FLAG_NONE, c->stream, NULL, fields.nv, fields.len, NULL);
  return rc == 0 ? submit_trailers(c) : rc;
}

void mw_http_reply_finish(struct mw_call *call, const struct mw_status *status) {
  struct mw_http_call *c = call_of(call);
  mw_http_call_queue(c); /* if the stream is closed, the call is over now */
  if (c->lost) return;
  c->status = mw_status_copy(&c->call.arena, status);
  c->finishing = true;
  if (c->outbox.bytes > 0) {
    resume(c);
    return;
  }
  check(c, c->headers == MW_HTTP_HEADERS_NONE ? submit_trailers_only(c) : submit_trailers(c));
  mw_http_conn_mark(c->conn);
}

/* Data source of a refusal's text. The text fits into one DATA frame, unless the client's window is small. */
static ssize_t read_text(nghttp2_session *ng, int32_t stream, uint8_t *buf, size_t most, uint32_t *flags,
                         nghttp2_data_source *source, void *user) {
  struct mw_http_call *c = source->ptr;
  struct mw_slice *text = &c->status.message;
  size_t n = text->len < most ? text->len : most;
  memcpy(buf, text->data, n);
  *text = mw_slice(text->data + n, text->len - n);
  if (text->len == 0) *flags |= NGHTTP2_DATA_FLAG_EOF;
  return (ssize_t)n;
}

void mw_http_reply_refuse(struct mw_http_call *c, const struct mw_http_refusal *refusal) {
  struct mw_http_fields fields;
  int rc = mw_http_response_refusal(&fields, refusal, &c->call.arena);
  c->headers = MW_HTTP_HEADERS_SUBMITTED;
  c->status = refusal->status;
  nghttp2_data_provider text = {.source.ptr = c, .read_callback = read_text};
  if (rc == 0) {
    nghttp2_data_provider *body = refusal->body ? &text : NULL;
    rc = nghttp2_submit_response(ng_of(c), c->stream, fields.nv, fields.len, body);
  }
  check(c, rc);
  mw_http_conn_mark(c->conn);
}
