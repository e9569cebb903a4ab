#include "engine/http/conn/session.h"

#include <stdio.h>

#include "engine/http/conn/call.h"
#include "engine/http/conn/conn.h"
#include "engine/http/conn/reply.h"

/* Bytes of an answered request after which the stream is reset. Less than the window, where the client would stall. */
enum { STOP_BYTES = MW_HTTP_STREAM_WINDOW / 4 };

static struct mw_http_conn *conn_of(struct mw_http_session *session) {
  return MW_CONTAINER(session, struct mw_http_conn, session);
}

/* Returns the call of a stream, NULL without one. Consecutive frames are mostly of one stream, hence the cache. */
static struct mw_http_call *call_of(struct mw_http_session *session, int32_t stream) {
  if (session->latest && session->latest->stream == stream) return session->latest;
  return session->latest = nghttp2_session_get_stream_user_data(session->ng, stream);
}

void mw_http_session_log(struct mw_http_session *session, enum mw_http_reason reason, const char *detail) {
  struct mw_http_conn *conn = conn_of(session);
  if (session->logged) return;
  session->logged = true;
  mw_http_engine_report(conn->engine, reason, conn->peer, detail);
}

/* Payload of the PING after the first GOAWAY. */
static const uint8_t drain_ping[8] = "goodbye";

static void submit_goaway(struct mw_http_session *session, uint32_t error, const char *reason) {
  int32_t last = nghttp2_session_get_last_proc_stream_id(session->ng);
  nghttp2_submit_goaway(session->ng, NGHTTP2_FLAG_NONE, last, error, (const uint8_t *)reason, strlen(reason));
}

/* The connection ends once its GOAWAY is written, or after a timeout, whose timer the next write restarts. */
static void stop_receiving(struct mw_http_session *session) {
  session->failed = true;
  mw_http_timeouts_stop(&conn_of(session)->timeouts);
}

/* ---- what arrives ---- */

/* Counts a reset that an error of the client causes. The errors found here count at once, not when RST_STREAM is sent:
 * a client that does not read could have any number of them queued. */
static void count_reset(struct mw_http_session *session) {
  if (mw_http_flood_count_reset(&session->frames.flood, false) == MW_HTTP_LIMIT_NONE) return;
  mw_http_session_fail(session, NGHTTP2_ENHANCE_YOUR_CALM, MW_HTTP_REASON_RESETS);
}

static void reset(struct mw_http_session *session, int32_t stream, uint32_t error) {
  if (nghttp2_submit_rst_stream(session->ng, NGHTTP2_FLAG_NONE, stream, error) == 0) session->own_resets++;
}

/* Returns the error with which a new stream is refused, or NGHTTP2_NO_ERROR. */
static uint32_t refusal_error(struct mw_http_session *session, int32_t stream) {
  if (stream == session->reset_on_open) return NGHTTP2_PROTOCOL_ERROR;
  return session->open < conn_of(session)->engine->limits.streams ? NGHTTP2_NO_ERROR : NGHTTP2_REFUSED_STREAM;
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *user) {
  struct mw_http_session *session = user;
  if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  uint32_t error = refusal_error(session, frame->hd.stream_id);
  if (error != NGHTTP2_NO_ERROR) {
    count_reset(session);
    reset(session, frame->hd.stream_id, error);
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
  struct mw_http_call *call = mw_http_call_open(conn_of(session), frame->hd.stream_id);
  if (!call) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  session->open++;
  nghttp2_session_set_stream_user_data(ng, frame->hd.stream_id, call);
  session->latest = call;
  return 0;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *user) {
  if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  struct mw_http_call *call = call_of(user, frame->hd.stream_id);
  if (!call) return 0;
  int rc = mw_http_request_add(&call->request, mw_slice(name, name_len), mw_slice(value, value_len));
  return rc == 0 ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* Asks the client to send no more of the request (RFC 9113, 8.1). */
static void stop_request(struct mw_http_session *session, struct mw_http_call *call) {
  call->response_done = false;
  nghttp2_submit_rst_stream(session->ng, NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_NO_ERROR);
}

static int on_data_chunk(nghttp2_session *ng, uint8_t flags, int32_t stream, const uint8_t *data, size_t len,
                         void *user) {
  struct mw_http_call *call = call_of(user, stream);
  nghttp2_session_consume_connection(ng, len);
  if (call && call->response_done && call->data_bytes > STOP_BYTES) stop_request(user, call);
  if (call && !mw_http_call_take_data(call, mw_slice(data, len))) {
    nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, stream, NGHTTP2_INTERNAL_ERROR);
  }
  return 0;
}

/* A client that answers the drain PING has read the GOAWAY before it. */
static int take_ping(struct mw_http_session *session, const nghttp2_ping *ping) {
  static const char reason[] = "too_many_pings"; /* the debug data that gRPC clients look for (gRFC A8) */
  if (ping->hd.flags & NGHTTP2_FLAG_ACK) {
    if (memcmp(ping->opaque_data, drain_ping, sizeof drain_ping) == 0 && session->draining)
      mw_http_session_goaway(session);
    return 0;
  }
  struct mw_http_conn *conn = conn_of(session);
  bool idle = mw_list_empty(&session->calls);
  if (mw_http_keepalive_take_ping(&conn->engine->keepalive, &conn->keepalive, idle)) return 0;
  mw_http_session_log(session, MW_HTTP_REASON_PINGS, NULL);
  submit_goaway(session, NGHTTP2_ENHANCE_YOUR_CALM, reason);
  return NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* Returns true for a cancel that costs the client nothing, see flood.h. */
static bool is_free(const struct mw_http_session *session, const struct mw_http_call *call) {
  return call->headers == MW_HTTP_HEADERS_SENT || session->frames.flood.now - call->opened >= MW_HTTP_FLOOD_FREE_MS;
}

static int take_reset(struct mw_http_session *session, int32_t stream) {
  const struct mw_http_call *call = call_of(session, stream);
  if (session->injecting || (call && is_free(session, call))) return 0;
  /* or it waits in the run queue */
  bool begun = call && (call->phase == MW_HTTP_REQUEST_BEGUN || call->opened != session->frames.flood.now);
  if (mw_http_flood_count_reset(&session->frames.flood, begun) == MW_HTTP_LIMIT_NONE) return 0;
  mw_http_session_fail(session, NGHTTP2_ENHANCE_YOUR_CALM, MW_HTTP_REASON_RESETS);
  return NGHTTP2_ERR_CALLBACK_FAILURE;
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *user) {
  struct mw_http_session *session = user;
  if (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) {
    struct mw_http_call *call = call_of(user, frame->hd.stream_id);
    bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (call) mw_http_call_take_frame(call, end);
  } else if (frame->hd.type == NGHTTP2_PING) {
    return take_ping(session, &frame->ping);
  } else if (frame->hd.type == NGHTTP2_RST_STREAM) {
    return take_reset(session, frame->hd.stream_id);
  }
  return 0;
}

/* Go clients send GOAWAY with the id of their own last stream instead of the server's (RFC 9113, 6.8). They have no
 * streams left. nghttp2 ends the connection, and nothing is logged, because this is a normal end. */
static int on_invalid_frame(nghttp2_session *ng, const nghttp2_frame *frame, int error, void *user) {
  struct mw_http_session *session = user;
  if (frame->hd.type == NGHTTP2_GOAWAY) session->logged = true;
  return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t stream, uint32_t error, void *user) {
  struct mw_http_session *session = user;
  struct mw_http_conn *conn = conn_of(session);
  conn->keepalive.last_stream_end = uv_now(&conn->engine->loop->uv);
  struct mw_http_call *call = call_of(session, stream);
  session->latest = NULL;
  if (!call) return 0;
  session->open--;
  mw_http_call_lose_stream(call);
  return 0;
}

/* Counts the resets that nghttp2 itself makes. The resets of reset() are counted already. Skipping as many is enough,
 * because the order in which both kinds are sent does not matter. */
static void count_sent_reset(struct mw_http_session *session, uint32_t error) {
  if (error == NGHTTP2_NO_ERROR || error == NGHTTP2_CANCEL || error == NGHTTP2_INTERNAL_ERROR) return;
  if (session->own_resets > 0) {
    session->own_resets--;
  } else {
    count_reset(session);
  }
}

/* Submits the PING once the first GOAWAY is sent: nghttp2 sends a PING that was submitted together with it first. */
static void after_goaway(struct mw_http_session *session, uint32_t error) {
  if (error != NGHTTP2_NO_ERROR) {
    mw_http_session_log(session, MW_HTTP_REASON_PROTOCOL, nghttp2_http2_strerror(error));
  } else if (!session->goaway_due) {
    nghttp2_submit_ping(session->ng, NGHTTP2_FLAG_NONE, drain_ping);
  }
}

/* A server that has sent its response does not want the rest of the request (RFC 9113, 8.1). A response ends with
 * HEADERS, except the text of a refusal, which ends with DATA: there the stream is reset only once the client sends a
 * lot. */
static int on_frame_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *user) {
  struct mw_http_session *session = user;
  if (frame->hd.type == NGHTTP2_RST_STREAM) count_sent_reset(session, frame->rst_stream.error_code);
  if (frame->hd.type == NGHTTP2_GOAWAY) after_goaway(session, frame->goaway.error_code);
  if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
  session->frames.flood.frames++;
  conn_of(session)->keepalive.sent_since_ping = true;
  if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
  session->frames.flood.answered++;
  struct mw_http_call *call = call_of(session, frame->hd.stream_id);
  if (!call || call->reader.ended) return 0;
  call->response_done = true;
  if (frame->hd.type == NGHTTP2_HEADERS || call->data_bytes > STOP_BYTES) stop_request(session, call);
  return 0;
}

/* nghttp2 drops HEADERS that are too long for it. The stream is reset, so that the client does not wait for them. */
static int on_frame_unsent(nghttp2_session *ng, const nghttp2_frame *frame, int error, void *user) {
  struct mw_http_call *call = call_of(user, frame->hd.stream_id);
  if (frame->hd.type != NGHTTP2_HEADERS || error != NGHTTP2_ERR_FRAME_SIZE_ERROR || !call) return 0;
  const char *path = (const char *)call->request.path.data;
  const struct mw_log_field fields[] = {{"path", path}, {"peer", call->call.peer}, {0}};
  mw_log(MW_LOG_ERROR, fields, "call ended: its headers or its trailers and status are longer than 64 KiB");
  nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, call->stream, NGHTTP2_INTERNAL_ERROR);
  return 0;
}

/* ---- the beginning ---- */

int mw_http_session_setup(nghttp2_session_callbacks **callbacks, nghttp2_option **option) {
  if (nghttp2_session_callbacks_new(callbacks) != 0 || nghttp2_option_new(option) != 0) return MW_ENOMEM;
  nghttp2_session_callbacks_set_on_begin_headers_callback(*callbacks, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(*callbacks, on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(*callbacks, on_data_chunk);
  nghttp2_session_callbacks_set_on_frame_recv_callback(*callbacks, on_frame);
  nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(*callbacks, on_invalid_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(*callbacks, on_stream_close);
  nghttp2_session_callbacks_set_on_frame_send_callback(*callbacks, on_frame_sent);
  nghttp2_session_callbacks_set_on_frame_not_send_callback(*callbacks, on_frame_unsent);
  nghttp2_session_callbacks_set_send_data_callback(*callbacks, mw_http_reply_send_data);
  nghttp2_option_set_no_auto_window_update(*option, 1);
  nghttp2_option_set_no_closed_streams(*option, 1);
  nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(*option, 1); /* C core takes these, too */
#ifdef MW_NGHTTP2_RESET_LIMIT /* flood.h is fairer: it counts answered calls in the client's favour */
  nghttp2_option_set_stream_reset_rate_limit(*option, UINT32_MAX, UINT32_MAX);
#endif
#ifdef MW_NGHTTP2_CONTINUATIONS /* flood.h limits header blocks */
  nghttp2_option_set_max_continuations(*option, UINT32_MAX);
#endif
  return 0;
}

int mw_http_session_init(struct mw_http_session *session, struct mw_http_engine *engine) {
  const struct mw_engine_limits *limits = &engine->limits;
  mw_http_frames_init(&session->frames);
  mw_http_flood_init(&session->frames.flood, limits->stream_resets, limits->control_frames, engine->max_metadata_bytes,
                     uv_now(&engine->loop->uv));
  int rc = nghttp2_session_server_new3(&session->ng, engine->callbacks, session, engine->option, &engine->memory);
  if (rc != 0) return MW_ENOMEM;
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, UINT32_MAX}, /* send_settings() replaces it with the limit */
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, MW_HTTP_STREAM_WINDOW},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)engine->max_metadata_bytes},
  };
  rc = nghttp2_submit_settings(session->ng, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof *settings);
  if (rc == 0) rc = nghttp2_session_set_local_window_size(session->ng, NGHTTP2_FLAG_NONE, 0, MW_HTTP_CONN_WINDOW);
  return rc == 0 ? 0 : MW_ENOMEM;
}

/* ---- bytes ---- */

/* Returns true for the first letter of an HTTP/1 method (RFC 9110, section 9; PATCH). */
static bool begins_http1_method(uint8_t first) { return first != 0 && strchr("CDGHOPT", first) != NULL; }

/* Logs the protocol that the client speaks instead of HTTP/2. `bytes` are the newest. */
static void log_protocol(struct mw_http_session *session, struct mw_slice bytes) {
  enum { TLS_HANDSHAKE = 0x16, SHOWN = 80 };
  if (session->first_byte == TLS_HANDSHAKE) {
    mw_http_session_log(session, MW_HTTP_REASON_TLS, "the client speaks TLS, this port has none");
  } else if (begins_http1_method(session->first_byte)) {
    char line[SHOWN + 1];
    snprintf(line, sizeof line, "%.*s", (int)(bytes.len < SHOWN ? bytes.len : SHOWN), (const char *)bytes.data);
    line[strcspn(line, "\r\n")] = '\0';
    session->http1 = true;
    mw_http_session_log(session, MW_HTTP_REASON_HTTP1, line);
  } else {
    mw_http_session_log(session, MW_HTTP_REASON_PROTOCOL, nghttp2_strerror(NGHTTP2_ERR_BAD_CLIENT_MAGIC));
  }
}

static bool feed(struct mw_http_session *session, struct mw_slice bytes) {
  ssize_t n = bytes.len > 0 ? nghttp2_session_mem_recv(session->ng, bytes.data, bytes.len) : 0;
  if (n >= 0) return true;
  if (n == NGHTTP2_ERR_BAD_CLIENT_MAGIC && !session->preface_sent) {
    log_protocol(session, bytes);
    return false;
  }
  bool flooded = n == NGHTTP2_ERR_FLOODED;
  mw_http_session_log(session, flooded ? MW_HTTP_REASON_UNREAD_ACKS : MW_HTTP_REASON_PROTOCOL,
                      nghttp2_strerror((int)n));
  return false;
}

/* Ends the connection for a fault of frames.h. Returns false when it must be closed at once. */
static bool end_connection(struct mw_http_session *session, uint32_t error) {
  static const enum mw_http_reason reasons[] = {[MW_HTTP_LIMIT_NONE] = MW_HTTP_REASON_PROTOCOL,
                                                [MW_HTTP_LIMIT_RESETS] = MW_HTTP_REASON_RESETS,
                                                [MW_HTTP_LIMIT_CONTROL] = MW_HTTP_REASON_CONTROL_FRAMES,
                                                [MW_HTTP_LIMIT_BLOCK] = MW_HTTP_REASON_LONG_HEADERS};
  if (error != NGHTTP2_ENHANCE_YOUR_CALM) {
    stop_receiving(session); /* after_goaway() logs it */
    return nghttp2_session_terminate_session(session->ng, error) == 0;
  }
  mw_http_session_fail(session, error, reasons[session->frames.limit]);
  return true;
}

static bool is_live(const struct mw_http_session *session, int32_t stream) {
  nghttp2_stream *found = stream > 0 ? nghttp2_session_find_stream(session->ng, stream) : NULL;
  return found && nghttp2_stream_get_state(found) != NGHTTP2_STREAM_STATE_IDLE;
}

/* Closes a live stream as if the client had reset it. */
static bool close_stream(struct mw_http_session *session, int32_t stream) {
  const uint8_t id[4] = {(uint8_t)(stream >> 24), (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
  const uint8_t frame[] = {0, 0, 4, NGHTTP2_RST_STREAM, 0, id[0], id[1], id[2], id[3], 0, 0, 0, NGHTTP2_CANCEL};
  session->injecting = true;
  bool stands = feed(session, mw_slice(frame, sizeof frame));
  session->injecting = false;
  return stands;
}

/* Acts on a fault before nghttp2 gets the frame. Returns false when the connection must be closed. */
static bool act_on(struct mw_http_session *session, const struct mw_http_fault *fault) {
  enum mw_http_scope scope = fault->scope;
  bool live = is_live(session, fault->stream);
  bool fatal = scope == MW_HTTP_SCOPE_CONNECTION || (scope == MW_HTTP_SCOPE_EITHER && !live);
  if (fatal) return end_connection(session, fault->error);
  if (scope == MW_HTTP_SCOPE_FRAME || (scope == MW_HTTP_SCOPE_LIVE && !live)) return true;
  if (scope == MW_HTTP_SCOPE_OPENING && !live) {
    session->reset_on_open = fault->stream;
    return true;
  }
  if (live) count_reset(session);
  if (live && !close_stream(session, fault->stream)) return session->failed;
  reset(session, fault->stream, fault->error);
  return true;
}

bool mw_http_session_receive(struct mw_http_session *session, struct mw_slice bytes) {
  struct mw_http_frames *frames = &session->frames;
  if (session->first_byte == 0 && bytes.len > 0) session->first_byte = bytes.data[0];
  frames->flood.now = uv_now(&conn_of(session)->engine->loop->uv);
  while (!session->failed && !mw_http_frames_done(frames, bytes)) {
    struct mw_http_fault fault;
    struct mw_slice fine = mw_http_frames_next(frames, &bytes, &fault);
    if (!feed(session, fine)) return session->failed; /* if so, the GOAWAY has to be sent first */
    if (fault.scope != MW_HTTP_SCOPE_NONE && !session->failed && !act_on(session, &fault)) return false;
  }
  return true;
}

void mw_http_session_keep_data(struct mw_http_session *session) {
  for (struct mw_list *link = session->calls.next; link != &session->calls; link = link->next) {
    mw_http_call_keep_data(MW_CONTAINER(link, struct mw_http_call, link));
  }
}

void mw_http_session_fail(struct mw_http_session *session, uint32_t error, enum mw_http_reason reason) {
  if (session->failed) return;
  stop_receiving(session);
  mw_http_session_log(session, reason, NULL);
  nghttp2_session_terminate_session(session->ng, error);
  mw_http_conn_mark(conn_of(session));
}

/* Submits the final GOAWAY only when it can be written: streams that begin until then are served. */
static void submit_final_goaway(struct mw_http_session *session) {
  if (!session->goaway_due || session->goaway_sent) return;
  session->goaway_sent = true;
  submit_goaway(session, NGHTTP2_NO_ERROR, "");
}

/* Sends the first SETTINGS with the limit of concurrent streams. nghttp2 itself gets no limit: for one stream too many
 * it would end the connection, while RFC 9113, 5.1.2 makes that a stream error. */
static bool send_settings(struct mw_http_session *session, struct mw_http_batch *batch) {
  enum { TYPE = 3, LIMIT = 9 + 2, MOST = 64 };
  const uint8_t *data;
  uint8_t frame[MOST];
  ssize_t n = nghttp2_session_mem_send(session->ng, &data);
  if (n < LIMIT + 4 || n > MOST || data[TYPE] != NGHTTP2_SETTINGS) return false;
  memcpy(frame, data, (size_t)n);
  uint32_t limit = conn_of(session)->engine->limits.streams;
  for (int i = 0; i < 4; i++) frame[LIMIT + i] = (uint8_t)(limit >> (24 - 8 * i));
  mw_http_batch_copy(batch, frame, (size_t)n);
  session->preface_sent = true;
  return true;
}

static void answer_http1(struct mw_http_session *session, struct mw_http_batch *batch) {
  static const char text[] =
      "This port speaks gRPC over HTTP/2. Call it with a gRPC client, such as \"moonwire call\" "
      "or grpcurl; for gRPC-Web or JSON put a proxy such as Envoy in front of it.\n";
  char answer[512];
  int n = snprintf(answer, sizeof answer,
                   "HTTP/1.1 505 HTTP Version Not Supported\r\ncontent-type: text/plain; charset=utf-8\r\n"
                   "content-length: %zu\r\nconnection: close\r\n\r\n%s",
                   sizeof text - 1, text);
  mw_http_batch_copy(batch, (const uint8_t *)answer, (size_t)n);
  session->preface_sent = true;
}

/* Returns true while the client may turn out to speak HTTP/1. A connection that ends before does not wait. */
static bool waits_for_preface(struct mw_http_session *session) {
  if (session->preface_sent || mw_http_frames_begun(&session->frames) || conn_of(session)->tls) return false;
  return !session->draining && !session->goaway_due && !session->failed;
}

bool mw_http_session_pull(struct mw_http_session *session, struct mw_http_batch *batch, bool *more) {
  if (session->http1 && !session->preface_sent) answer_http1(session, batch);
  if (session->http1 || waits_for_preface(session)) return true;
  if (!session->preface_sent && !send_settings(session, batch)) return false;
  submit_final_goaway(session);
  while (mw_http_batch_has_room(batch)) {
    const uint8_t *data;
    ssize_t n = nghttp2_session_mem_send(session->ng, &data);
    if (n < 0) return false;
    if (n == 0) {
      *more = !mw_http_batch_has_room(batch); /* read_outbox() has paused nghttp2 */
      return true;
    }
    mw_http_batch_copy(batch, data, (size_t)n);
  }
  *more = true;
  return true;
}

bool mw_http_session_is_done(const struct mw_http_session *session) {
  return !nghttp2_session_want_read(session->ng) && !nghttp2_session_want_write(session->ng);
}

/* ---- the end ---- */

void mw_http_session_drain(struct mw_http_session *session) {
  if (session->draining) return;
  session->draining = true;
  nghttp2_submit_shutdown_notice(session->ng);
}

void mw_http_session_goaway(struct mw_http_session *session) { session->goaway_due = true; }

void mw_http_session_lose(struct mw_http_session *session) {
  for (struct mw_list *link = session->calls.next; link != &session->calls; link = link->next) {
    mw_http_call_lose_stream(MW_CONTAINER(link, struct mw_http_call, link));
  }
  nghttp2_session_del(session->ng);
  session->ng = NULL;
}

void mw_http_session_abandon(struct mw_http_session *session) {
  nghttp2_session_del(session->ng);
  session->ng = NULL;
  struct mw_list *link;
  while ((link = mw_list_shift(&session->calls))) mw_http_call_abandon(MW_CONTAINER(link, struct mw_http_call, link));
}
