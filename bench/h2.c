#include "bench/h2.h"

#include <stdio.h>
#include <stdlib.h>

enum {
  INPUT = 256 << 10,
  GATHERED = 256 << 10,    /* bytes at which a write is due */
  STREAM_WINDOW = 4 << 20, /* bytes */
  CONNECTION_WINDOW = 64 << 20,
};

static char input[INPUT]; /* shared by all reads: each is processed before the next */

void h2_check(int rc, const char *what) {
  if (rc >= 0) return;
  fprintf(stderr, "%s: %s\n", what, uv_strerror(rc));
  exit(1);
}

static void add_piece(struct h2_conn *conn, const uint8_t *borrowed, size_t len) {
  struct h2_piece *last = conn->count > 0 ? &conn->pieces[conn->count - 1] : NULL;
  conn->gathered += len;
  if (!borrowed && last && !last->borrowed) {
    last->len += len;
  } else {
    conn->pieces[conn->count++] = (struct h2_piece){borrowed, len};
  }
}

void h2_put(struct h2_conn *conn, const void *data, size_t len) {
  if (mw_buf_append(&conn->out, data, len) != 0) abort();
  add_piece(conn, NULL, len);
}

void h2_put_borrowed(struct h2_conn *conn, const void *data, size_t len) { add_piece(conn, data, len); }

bool h2_full(const struct h2_conn *conn) { return conn->gathered >= GATHERED || conn->count > H2_PIECES - 8; }

static ssize_t on_send(nghttp2_session *session, const uint8_t *data, size_t len, int flags, void *arg) {
  struct h2_conn *conn = arg;
  if (h2_full(conn)) return NGHTTP2_ERR_WOULDBLOCK;
  h2_put(conn, data, len);
  return (ssize_t)len;
}

nghttp2_session_callbacks *h2_callbacks(void) {
  nghttp2_session_callbacks *callbacks;
  if (nghttp2_session_callbacks_new(&callbacks) != 0) abort();
  nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
  return callbacks;
}

static void flush(struct h2_conn *conn);

static void on_written(uv_write_t *write, int status) {
  struct h2_conn *conn = MW_CONTAINER(write, struct h2_conn, write);
  conn->writing = false;
  if (status < 0) {
    h2_close(conn);
  } else {
    flush(conn);
  }
}

/* Lists the pieces for libuv, without the first `done` bytes. Returns their number. */
static unsigned list_pieces(struct h2_conn *conn, size_t done, uv_buf_t *bufs) {
  char *own = (char *)conn->out.data;
  unsigned count = 0;
  for (size_t i = 0; i < conn->count; i++) {
    struct h2_piece piece = conn->pieces[i];
    char *data = piece.borrowed ? (char *)(uintptr_t)piece.borrowed : own;
    if (!piece.borrowed) own += piece.len;
    size_t skip = done < piece.len ? done : piece.len;
    done -= skip;
    if (skip < piece.len) bufs[count++] = uv_buf_init(data + skip, (unsigned)(piece.len - skip));
  }
  return count;
}

/* Gathers and writes until all output is written or the socket is full. */
static void flush(struct h2_conn *conn) {
  uv_buf_t bufs[H2_PIECES];
  while (!conn->writing && !uv_is_closing((uv_handle_t *)&conn->tcp)) {
    mw_buf_clear(&conn->out);
    conn->count = conn->gathered = 0;
    if (nghttp2_session_send(conn->session) != 0) {
      h2_close(conn);
      return;
    }
    if (conn->gathered == 0) {
      if (!nghttp2_session_want_read(conn->session) && !nghttp2_session_want_write(conn->session)) h2_close(conn);
      return;
    }
    int n = uv_try_write((uv_stream_t *)&conn->tcp, bufs, list_pieces(conn, 0, bufs));
    if (n < 0 && n != UV_EAGAIN) {
      h2_close(conn);
      return;
    }
    size_t done = n > 0 ? (size_t)n : 0;
    if (done == conn->gathered) continue;
    conn->writing = true;
    unsigned count = list_pieces(conn, done, bufs);
    h2_check(uv_write(&conn->write, (uv_stream_t *)&conn->tcp, bufs, count, on_written), "write");
  }
}

void h2_flush(struct h2_loop *loop) {
  struct mw_list *link;
  while ((link = mw_list_shift(&loop->touched))) flush(MW_CONTAINER(link, struct h2_conn, link));
}

static void on_turn(uv_check_t *turn) { h2_flush(MW_CONTAINER(turn, struct h2_loop, turn)); }

void h2_loop_init(struct h2_loop *loop) {
  h2_check(uv_loop_init(&loop->uv), "loop");
  h2_check(uv_check_init(&loop->uv, &loop->turn), "loop");
  h2_check(uv_check_start(&loop->turn, on_turn), "loop");
  uv_unref((uv_handle_t *)&loop->turn);
  mw_list_init(&loop->touched);
}

void h2_touch(struct h2_conn *conn) {
  if (mw_list_empty(&conn->link)) mw_list_push(&conn->loop->touched, &conn->link);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) { *buf = uv_buf_init(input, INPUT); }

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
  struct h2_conn *conn = MW_CONTAINER(stream, struct h2_conn, tcp);
  if (n < 0 || nghttp2_session_mem_recv(conn->session, (const uint8_t *)buf->base, (size_t)n) < 0) {
    h2_close(conn);
  } else {
    h2_touch(conn);
  }
}

void h2_init(struct h2_loop *loop, struct h2_conn *conn) {
  conn->loop = loop;
  mw_list_init(&conn->link);
  h2_check(uv_tcp_init(&loop->uv, &conn->tcp), "socket");
}

void h2_start(struct h2_conn *conn, nghttp2_session *session) {
  const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW}};
  conn->session = session;
  if (nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, 1) != 0 ||
      nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW) != 0) {
    abort();
  }
  h2_check(uv_tcp_nodelay(&conn->tcp, 1), "socket");
  h2_check(uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read), "read");
  h2_touch(conn);
}

static void on_closed(uv_handle_t *handle) {
  struct h2_conn *conn = MW_CONTAINER(handle, struct h2_conn, tcp);
  if (conn->session) nghttp2_session_del(conn->session);
  conn->session = NULL;
  mw_buf_fini(&conn->out);
  conn->on_close(conn);
}

void h2_close(struct h2_conn *conn) {
  if (uv_is_closing((uv_handle_t *)&conn->tcp)) return;
  mw_list_remove(&conn->link);
  uv_close((uv_handle_t *)&conn->tcp, on_closed);
}
