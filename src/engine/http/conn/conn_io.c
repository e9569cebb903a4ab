#include "engine/http/conn/conn_io.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/http/conn/arrival.h"
#include "engine/http/h2/outbox.h"

enum {
  WRITES = 8,              /* to one connection in a row, before other connections write */
  SMALL_WRITE = 16 * 1024, /* bytes; a smaller write waits for the calls that it makes ready */
  LINGER_NS = MW_NS_PER_S
};

/* ---- life ---- */

static void on_closed(uv_handle_t *handle) { mw_http_conn_unref(MW_CONTAINER(handle, struct mw_http_conn, uv)); }

static void close_handle(struct mw_http_conn *conn) {
  if (uv_is_closing(&conn->uv.handle)) return;
  mw_timer_stop(conn->linger);
  conn->linger = NULL;
  uv_close(&conn->uv.handle, on_closed);
}

static void leave(struct mw_http_conn *conn) {
  conn->closed = true;
  mw_http_timeouts_stop(&conn->timeouts);
  mw_list_remove(&conn->dirty);
  mw_http_session_lose(&conn->session);
}

void mw_http_conn_close(struct mw_http_conn *conn) {
  if (conn->closed) return;
  leave(conn);
  close_handle(conn);
}

static void on_lingered(void *arg) {
  struct mw_http_conn *conn = arg;
  conn->linger = NULL;
  close_handle(conn);
}

static bool write_pending(struct mw_http_conn *conn);

static void on_shut(uv_shutdown_t *shutdown, int status) {}

void mw_http_conn_linger(struct mw_http_conn *conn) {
  if (conn->closed) return;
  leave(conn);
  if (conn->tls && !conn->unsent && mw_http_tls_shut(conn->tls)) write_pending(conn);
  bool waits = uv_shutdown(&conn->shutdown, &conn->uv.stream, on_shut) == 0;
  if (waits) conn->linger = mw_timer_start(conn->engine->loop, LINGER_NS, on_lingered, conn);
  if (!conn->linger) close_handle(conn);
}

void mw_http_conn_abandon(struct mw_http_conn *conn) {
  conn->refs++;
  conn->closed = true;
  mw_http_timeouts_stop(&conn->timeouts);
  mw_list_remove(&conn->dirty);
  close_handle(conn);
  mw_http_session_abandon(&conn->session);
  mw_http_conn_unref(conn);
}

/* ---- writing ---- */

static void on_written(uv_write_t *write, int status) {
  struct mw_http_conn *conn = MW_CONTAINER(write, struct mw_http_conn, write);
  free(conn->unsent);
  conn->unsent = NULL;
  conn->timeouts.writes++;
  if (conn->closed) return;
  if (status != 0) {
    mw_http_conn_close(conn);
  } else {
    mw_http_conn_mark(conn);
  }
}

/* Writes as much as the socket takes; libuv writes a copy of the rest later. Returns false when the connection must be
 * closed. */
static bool write_bufs(struct mw_http_conn *conn, const uv_buf_t *bufs, unsigned n, size_t len) {
  int rc = uv_try_write(&conn->uv.stream, bufs, n);
  if (rc < 0 && rc != UV_EAGAIN) return false;
  size_t written = rc < 0 ? 0 : (size_t)rc;
  if (written == len) return true;
  conn->unsent = malloc(len - written);
  if (!conn->unsent) return false;
  mw_http_bufs_copy(bufs, n, written, conn->unsent);
  uv_buf_t rest = uv_buf_init((char *)conn->unsent, (unsigned)(len - written));
  return uv_write(&conn->write, &conn->uv.stream, &rest, 1, on_written) == 0;
}

static bool write_pending(struct mw_http_conn *conn) {
  struct mw_slice pending = mw_http_tls_pending(conn->tls);
  if (pending.len == 0) return true;
  uv_buf_t buf = uv_buf_init((char *)(uintptr_t)pending.data, (unsigned)pending.len);
  bool open = write_bufs(conn, &buf, 1, pending.len);
  mw_http_tls_sent(conn->tls);
  return open;
}

/* Pulls the bytes of one write from the session. Pulling a message can make its call ready to send more: while the
 * write is small, those calls run and their output joins it. This stops once the batch refers to messages instead of
 * copying them, because a call that runs may end and free its messages. */
static bool gather(struct mw_http_conn *conn, struct mw_http_batch *batch, bool *more) {
  struct mw_http_engine *engine = conn->engine;
  size_t before;
  do {
    before = batch->len;
    if (!mw_http_session_pull(&conn->session, batch, more)) return false;
    if (batch->len >= SMALL_WRITE || batch->used < batch->len || engine->dispatch->queue.n == 0) return true;
    mw_http_turn_run_read(&engine->turn);
  } while (batch->len > before);
  return true;
}

/* Makes one write of the session's pending output. Sets `more` if the session may have further output. */
static bool write_batch(struct mw_http_conn *conn, bool *more) {
  struct mw_http_batch *batch = &conn->engine->batch;
  *more = false;
  if (conn->tls && !mw_http_tls_is_open(conn->tls)) return write_pending(conn);
  mw_http_batch_reset(batch);
  bool open = gather(conn, batch, more);
  if (open && conn->tls) {
    open = mw_http_tls_write(conn->tls, batch) && write_pending(conn);
  } else if (open && batch->len > 0) {
    open = write_bufs(conn, batch->bufs, batch->n, batch->len);
  }
  mw_http_batch_free_spent(batch);
  return open;
}

static void on_timer(void *arg) {
  struct mw_http_conn *conn = arg;
  if (!mw_http_timeouts_check(conn)) {
    mw_http_conn_close(conn);
  } else if (!conn->closed && mw_http_timeouts_needed(conn)) {
    mw_http_timeouts_start(conn, on_timer);
  }
}

void mw_http_conn_flush(struct mw_http_conn *conn) {
  bool open = true, more = true;
  for (int i = 0; open && more && !conn->unsent; i++) {
    if (i == WRITES) {
      mw_http_conn_mark(conn);
      return;
    }
    open = write_batch(conn, &more);
  }
  if (!open) {
    mw_http_conn_close(conn);
  } else if (!conn->unsent && mw_http_session_is_done(&conn->session)) {
    mw_http_conn_linger(conn);
  } else if (!conn->timeouts.timer && mw_http_timeouts_needed(conn)) {
    mw_http_timeouts_start(conn, on_timer);
  }
}

/* Writes the GOAWAY of a failed session, unless an earlier write is unfinished. */
static void write_goaway(struct mw_http_conn *conn) {
  bool more;
  if (!conn->unsent) write_batch(conn, &more);
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  struct mw_http_conn *conn = MW_CONTAINER(handle, struct mw_http_conn, uv);
  struct mw_http_engine *engine = conn->engine;
  conn->arrived = mw_http_arrival_time(conn->fd, mw_http_turn_earliest(&engine->turn), engine->input, MW_HTTP_INPUT);
  *buf = uv_buf_init((char *)engine->input, MW_HTTP_INPUT);
}

/* Passes bytes to the session and runs its calls. Returns false when the connection must be closed. */
static bool receive(struct mw_http_conn *conn, struct mw_slice bytes) {
  bool fine = mw_http_session_receive(&conn->session, bytes);
  mw_http_turn_run_read(&conn->engine->turn);
  if (conn->engine->dispatch->queue.n > 0) mw_http_session_keep_data(&conn->session);
  return fine;
}

/* The same through TLS. The filter copies the ciphertext, so the plaintext can overwrite it in the input buffer. */
static bool receive_tls(struct mw_http_conn *conn, struct mw_slice bytes) {
  uint8_t *input = conn->engine->input;
  if (!mw_http_tls_feed(conn->tls, bytes)) return false;
  ssize_t n;
  while ((n = mw_http_tls_read(conn->tls, input, MW_HTTP_INPUT)) > 0) {
    if (!receive(conn, mw_slice(input, (size_t)n))) return false;
  }
  if (n < 0 && !mw_http_tls_is_open(conn->tls)) {
    mw_http_session_log(&conn->session, MW_HTTP_REASON_TLS, mw_http_tls_problem(conn->tls));
  }
  return n == 0;
}

/* Writes at once: the bytes are still in the processor's cache, and the memory that the write frees serves the next
 * connection. If the socket has more to read, the write waits for the end of the turn. */
static void answer(struct mw_http_conn *conn, bool more) {
  if (more) {
    mw_http_conn_mark(conn);
    return;
  }
  mw_list_remove(&conn->dirty);
  mw_http_conn_flush(conn);
  mw_http_turn_run_read(&conn->engine->turn);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
  struct mw_http_conn *conn = MW_CONTAINER(stream, struct mw_http_conn, uv);
  if (n == 0) return;
  if (conn->closed) {
    if (n < 0) close_handle(conn);
    return;
  }
  mw_http_keepalive_received(&conn->keepalive, uv_now(stream->loop));
  struct mw_slice bytes = mw_slice(buf->base, n > 0 ? (size_t)n : 0);
  if (n > 0 && (conn->tls ? receive_tls(conn, bytes) : receive(conn, bytes))) {
    answer(conn, n == MW_HTTP_INPUT);
    return;
  }
  if (n > 0) {
    write_goaway(conn);
    mw_http_conn_linger(conn);
  } else {
    mw_http_conn_close(conn);
  }
  mw_http_turn_run_read(&conn->engine->turn);
}

/* ---- the beginning ---- */

static bool start(struct mw_http_conn *conn, int fd) {
  if (uv_tcp_open(&conn->uv.tcp, fd) != 0) {
    close(fd);
    return false;
  }
  uv_tcp_nodelay(&conn->uv.tcp, 1);
  mw_http_arrival_open(fd);
  conn->fd = fd;
  if (conn->engine->tls && !(conn->tls = mw_http_tls_new(conn->engine->tls))) return false;
  if (mw_http_session_init(&conn->session, conn->engine) != 0) return false;
  return uv_read_start(&conn->uv.stream, on_alloc, on_read) == 0;
}

bool mw_http_conn_accept(struct mw_http_engine *engine, int fd, const struct sockaddr_storage *peer, socklen_t size) {
  struct mw_http_conn *conn = mw_http_conn_new(engine);
  if (!conn) return false;
  atomic_fetch_add_explicit(engine->limits.open, 1, memory_order_relaxed);
  conn->counted = true;
  mw_peer_name(peer, size, conn->peer);
  if (start(conn, fd)) {
    mw_http_conn_mark(conn);
  } else {
    mw_http_conn_close(conn);
  }
  return true;
}

/* ---- the end ---- */

void mw_http_conn_drain(struct mw_http_conn *conn) {
  if (conn->closed || conn->session.draining) return;
  mw_http_session_drain(&conn->session);
  mw_http_keepalive_drain(&conn->engine->keepalive, &conn->keepalive);
  mw_http_conn_mark(conn);
}

/* Before the TLS handshake is over a GOAWAY cannot be sent. */
void mw_http_conn_goaway(struct mw_http_conn *conn) {
  if (conn->closed) return;
  if (conn->tls && !mw_http_tls_is_open(conn->tls)) {
    mw_http_conn_close(conn);
    return;
  }
  mw_http_session_goaway(&conn->session);
  mw_http_conn_mark(conn);
}
