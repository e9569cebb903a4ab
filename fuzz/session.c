/* A client may send what it likes in whatever pieces: its calls end, and nothing of the connection stays behind. The
 * first byte of an input says how it is fed: bits 0 to 2 the size of the pieces, 3 whether answers are taken only at the
 * end, 4 whether the server drains halfway, 5 that even the preface is the client's own. */
#include <stdlib.h>

#include "engine/http/call.h"
#include "engine/http/conn.h"
#include "engine/http/http.h"

enum { FLOOD = 40, TAKE_LATE = 8, DRAIN = 16, OWN_PREFACE = 32, ANSWER_MAX = 1 << 22 };

static struct mw_loop loop;
static struct mw_dispatch dispatch;
static struct mw_router router;
static struct mw_http_engine *engine;

static void check(bool holds) {
  if (!holds) abort();
}

/* ---- a handler: what it does is its method's name ---- */

static char kind(const struct mw_call *call) { return call->route->method->name[0]; }

static void end_with(struct mw_call *call, enum mw_code code, const char *text) {
  struct mw_status status = mw_status(code, text);
  mw_call_finish(call, &status);
}

static void reserve(struct mw_call *call, struct mw_slice bytes) {
  uint8_t *reply = mw_call_reserve(call, bytes.len);
  check(reply != NULL);
  if (bytes.len > 0) memcpy(reply, bytes.data, bytes.len);
}

static void flood(struct mw_call *call) {
  static const char page[3000];
  do {
    if (call->sent == FLOOD) {
      end_with(call, MW_CODE_OK, "");
      return;
    }
    reserve(call, mw_slice(page, sizeof page));
  } while (mw_call_send(call));
}

static void on_start(struct mw_call *call) {
  if (kind(call) != 'D') mw_call_read(call); /* the deaf one */
}

static void on_message(struct mw_call *call, struct mw_slice bytes) {
  if (kind(call) == 'F') {
    flood(call);
  } else if (kind(call) == 'U') {
    reserve(call, bytes);
    mw_call_fill_last(call);
    end_with(call, MW_CODE_OK, "");
  } else {
    reserve(call, bytes);
    if (mw_call_send(call)) mw_call_read(call);
  }
}

static void on_end(struct mw_call *call) { end_with(call, MW_CODE_ABORTED, "100%"); }

static void on_writable(struct mw_call *call) {
  if (kind(call) == 'F') {
    flood(call);
  } else {
    mw_call_read(call);
  }
}

static void on_cancelled(struct mw_call *call, struct mw_status status) { mw_call_finish(call, &status); }

/* ---- the server ---- */

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  static const struct mw_handler handler = {on_start, on_message, on_end, on_writable, on_cancelled};
  static const struct mw_method_type methods[] = {
      {.name = "U", .path = "/f.F/U"},
      {.name = "F", .path = "/f.F/F", .server_streaming = true},
      {.name = "D", .path = "/f.F/D", .client_streaming = true},
      {.name = "B", .path = "/f.F/B", .client_streaming = true, .server_streaming = true},
  };
  struct mw_engine *base;
  mw_log_set_level(MW_LOG_OFF);
  check(mw_loop_init(&loop, NULL) == 0);
  mw_dispatch_init(&dispatch, "http", 0);
  mw_router_init(&router, 1);
  dispatch.router = &router;
  for (size_t i = 0; i < 4; i++) check(mw_router_add(&router, &methods[i], &handler, NULL) == 0);
  struct mw_engine_config config = {.loop = &loop, .dispatch = &dispatch, .max_receive_bytes = 1 << 16};
  check(mw_engine_http.open(&config, &base, NULL) == 0);
  engine = mw_http_engine_of(base);
  return 0;
}

/* ---- the wire ---- */

/* Gives the session a piece that is gone afterwards. Returns whether the connection stands. */
static bool give(struct mw_http_conn *conn, const void *bytes, size_t len) {
  uint8_t *piece = malloc(len + 1);
  check(piece != NULL);
  memcpy(piece, bytes, len);
  bool stands = mw_http_session_receive(&conn->session, mw_slice(piece, len));
  mw_http_turn_run_ready(&engine->turn);
  free(piece);
  return stands;
}

/* Takes what the server says. */
static bool take(struct mw_http_conn *conn) {
  bool stands = true, more = true;
  for (size_t taken = 0; stands && more;) {
    mw_http_batch_reset(&engine->batch);
    stands = mw_http_session_pull(&conn->session, &engine->batch, &more);
    mw_http_batch_free_spent(&engine->batch);
    mw_http_turn_run_ready(&engine->turn);
    taken += engine->batch.len;
    more = engine->batch.len > 0;
    check(taken <= ANSWER_MAX);
  }
  return stands && !mw_http_session_is_done(&conn->session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  uint8_t how = data[0];
  size_t step = (size_t)1 << (2 * (how & 7)), half = size / 2;
  static const char preface[] = NGHTTP2_CLIENT_MAGIC "\0\0\0\4\0\0\0\0\0";
  struct mw_http_conn *conn = mw_http_conn_new(engine);
  check(conn && mw_http_session_init(&conn->session, engine) == 0);
  bool stands = (how & OWN_PREFACE) || give(conn, preface, sizeof preface - 1);
  for (size_t at = 1; stands && at < size; at += step) {
    if (how & DRAIN && at >= half) mw_http_conn_drain(conn);
    stands = give(conn, data + at, size - at < step ? size - at : step);
    if (stands && !(how & TAKE_LATE)) stands = take(conn);
  }
  if (stands) take(conn);
  mw_http_conn_close(conn);
  mw_http_turn_run_ready(&engine->turn);
  while (!mw_list_empty(&engine->conns)) uv_run(&loop.uv, UV_RUN_NOWAIT);
  check(dispatch.live == 0);
  return 0;
}
