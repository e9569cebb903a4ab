#include "engine/http/session.h"

#include "engine/http/call.h"
#include "engine/http/conn.h"
#include "engine/http/reply.h"

static struct mw_http_conn *conn_of(struct mw_http_session *session) {
  return MW_CONTAINER(session, struct mw_http_conn, session);
}

static struct mw_http_call *call_of(nghttp2_session *ng, int32_t stream) {
  return nghttp2_session_get_stream_user_data(ng, stream);
}

/* ---- what arrives ---- */

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *frame, void *user) {
  struct mw_http_session *session = user;
  if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  struct mw_http_call *call = mw_http_call_open(conn_of(session), frame->hd.stream_id);
  if (!call) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  nghttp2_session_set_stream_user_data(ng, frame->hd.stream_id, call);
  return 0;
}

static int on_header(nghttp2_session *ng, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *user) {
  if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
  struct mw_http_call *call = call_of(ng, frame->hd.stream_id);
  if (!call) return 0;
  int rc = mw_http_request_add(&call->request, mw_slice(name, name_len), mw_slice(value, value_len));
  return rc == 0 ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_data_chunk(nghttp2_session *ng, uint8_t flags, int32_t stream, const uint8_t *data, size_t len,
                         void *user) {
  struct mw_http_call *call = call_of(ng, stream);
  nghttp2_session_consume_connection(ng, len);
  if (call && !mw_http_call_take_data(call, mw_slice(data, len))) {
    nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, stream, NGHTTP2_INTERNAL_ERROR);
  }
  return 0;
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *frame, void *user) {
  struct mw_http_session *session = user;
  if (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA) {
    struct mw_http_call *call = call_of(ng, frame->hd.stream_id);
    bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (call) mw_http_call_take_frame(call, end);
  } else if (frame->hd.type == NGHTTP2_PING && (frame->hd.flags & NGHTTP2_FLAG_ACK) && session->draining) {
    mw_http_session_goaway(session);
  }
  return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t stream, uint32_t error, void *user) {
  struct mw_http_call *call = call_of(ng, stream);
  if (call) mw_http_call_lose_stream(call);
  return 0;
}

/* A server that has answered does not want the rest of the request (RFC 9113, 8.1). */
static int on_frame_sent(nghttp2_session *ng, const nghttp2_frame *frame, void *user) {
  if (frame->hd.type != NGHTTP2_HEADERS || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) return 0;
  const struct mw_http_call *call = call_of(ng, frame->hd.stream_id);
  if (call && !call->reader.ended) {
    nghttp2_submit_rst_stream(ng, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
  }
  return 0;
}

/* ---- the beginning ---- */

int mw_http_session_setup(nghttp2_session_callbacks **callbacks, nghttp2_option **option) {
  if (nghttp2_session_callbacks_new(callbacks) != 0 || nghttp2_option_new(option) != 0) return MW_ENOMEM;
  nghttp2_session_callbacks_set_on_begin_headers_callback(*callbacks, on_begin_headers);
  nghttp2_session_callbacks_set_on_header_callback(*callbacks, on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(*callbacks, on_data_chunk);
  nghttp2_session_callbacks_set_on_frame_recv_callback(*callbacks, on_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(*callbacks, on_stream_close);
  nghttp2_session_callbacks_set_on_frame_send_callback(*callbacks, on_frame_sent);
  nghttp2_session_callbacks_set_send_data_callback(*callbacks, mw_http_reply_send_data);
  nghttp2_option_set_no_auto_window_update(*option, 1);
  nghttp2_option_set_no_closed_streams(*option, 1);
  return 0;
}

int mw_http_session_init(struct mw_http_session *session, struct mw_http_engine *engine) {
  mw_http_frames_init(&session->frames);
  if (nghttp2_session_server_new2(&session->ng, engine->callbacks, session, engine->option) != 0) return MW_ENOMEM;
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, MW_HTTP_MAX_STREAMS},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, MW_HTTP_STREAM_WINDOW},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)engine->max_metadata_bytes},
  };
  int rc = nghttp2_submit_settings(session->ng, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof *settings);
  if (rc == 0) rc = nghttp2_session_set_local_window_size(session->ng, NGHTTP2_FLAG_NONE, 0, MW_HTTP_CONN_WINDOW);
  return rc == 0 ? 0 : MW_ENOMEM;
}

/* ---- bytes ---- */

bool mw_http_session_receive(struct mw_http_session *session, struct mw_slice bytes) {
  if (session->failed) return true;
  uint32_t error = NGHTTP2_NO_ERROR;
  size_t fine = mw_http_frames_check(&session->frames, bytes, &error);
  if (nghttp2_session_mem_recv(session->ng, bytes.data, fine) < 0) return false;
  session->failed = error != NGHTTP2_NO_ERROR;
  return !session->failed || nghttp2_session_terminate_session(session->ng, error) == 0;
}

bool mw_http_session_pull(struct mw_http_session *session, struct mw_http_batch *batch, bool *more) {
  while (mw_http_batch_has_room(batch)) {
    const uint8_t *data;
    ssize_t n = nghttp2_session_mem_send(session->ng, &data);
    if (n < 0) return false;
    if (n == 0) {
      *more = !mw_http_batch_has_room(batch); /* then the source of a stream has stopped it */
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
  nghttp2_submit_ping(session->ng, NGHTTP2_FLAG_NONE, NULL);
}

void mw_http_session_goaway(struct mw_http_session *session) {
  if (session->ending) return;
  session->ending = true;
  int32_t last = nghttp2_session_get_last_proc_stream_id(session->ng);
  nghttp2_submit_goaway(session->ng, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0);
}

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
