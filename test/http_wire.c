#include "http_wire.h"

#include <stdlib.h>

#include "engine/http/conn/call.h"
#include "engine/http/conn/conn_io.h"
#include "engine/http/http.h"

enum { WIRE_FLOOD = 40, WIRE_TAKE_LATE = 8, WIRE_DRAIN = 16, WIRE_OWN_PREFACE = 32, WIRE_ANSWER_MAX = 1 << 22 };

static void check(bool holds) {
  if (!holds) abort();
}

/* ---- a handler: the method's name chooses its behaviour ---- */

static char wire_kind(const struct mw_call *call) { return call->route->method->name[0]; }

static void wire_finish(struct mw_call *call, enum mw_code code, const char *text) {
  struct mw_status status = mw_status(code, text);
  mw_call_finish(call, &status);
}

/* Returns false without memory; the call is over then. */
static bool wire_reserve(struct mw_call *call, struct mw_slice bytes) {
  uint8_t *reply = mw_call_reserve(call, bytes.len);
  if (reply && bytes.len > 0) memcpy(reply, bytes.data, bytes.len);
  if (!reply) wire_finish(call, MW_CODE_RESOURCE_EXHAUSTED, "out of memory");
  return reply != NULL;
}

static void wire_flood(struct mw_call *call) {
  static const char page[3000];
  do {
    if (call->sent == WIRE_FLOOD) {
      wire_finish(call, MW_CODE_OK, "");
      return;
    }
    if (!wire_reserve(call, mw_slice(page, sizeof page))) return;
  } while (mw_call_send(call, 0));
}

static void wire_on_start(struct mw_call *call) {
  if (wire_kind(call) != 'D') mw_call_read(call); /* D does not read */
}

static void wire_on_message(struct mw_call *call, struct mw_slice bytes) {
  if (wire_kind(call) == 'F') {
    wire_flood(call);
  } else if (wire_reserve(call, bytes)) {
    if (wire_kind(call) == 'U') {
      mw_call_send(call, MW_SEND_LAST);
      wire_finish(call, MW_CODE_OK, "");
    } else if (mw_call_send(call, 0)) {
      mw_call_read(call);
    }
  }
}

static void wire_on_end(struct mw_call *call) { wire_finish(call, MW_CODE_ABORTED, "100%"); }

static void wire_on_writable(struct mw_call *call) {
  if (wire_kind(call) == 'F') {
    wire_flood(call);
  } else {
    mw_call_read(call);
  }
}

static void wire_on_cancelled(struct mw_call *call, struct mw_status status) { mw_call_finish(call, &status); }

/* ---- the server ---- */

static int wire_add_methods(struct wire *wire) {
  static const struct mw_handler handler = {wire_on_start,    wire_on_message,   wire_on_end,
                                            wire_on_writable, wire_on_cancelled, NULL};
  static const struct mw_service_type service = {.full_name = "f.F"};
  static const struct mw_method_type methods[] = {
      {.name = "U", .path = "/f.F/U", .service = &service},
      {.name = "F", .path = "/f.F/F", .service = &service, .server_streaming = true},
      {.name = "D", .path = "/f.F/D", .service = &service, .client_streaming = true},
      {.name = "B", .path = "/f.F/B", .service = &service, .client_streaming = true, .server_streaming = true},
  };
  int rc = 0;
  for (size_t i = 0; i < sizeof methods / sizeof *methods && rc == 0; i++) {
    rc = mw_router_add(&wire->router, &methods[i], &handler, NULL);
  }
  return rc;
}

void wire_close(struct wire *wire) {
  if (wire->engine) mw_engine_http.close(&wire->engine->base);
  mw_loop_fini(&wire->loop);
  mw_router_fini(&wire->router);
  mw_dispatch_fini(&wire->dispatch);
}

int wire_open(struct wire *wire) {
  struct mw_engine *base = NULL;
  *wire = (struct wire){0};
  mw_log_set_level(MW_LOG_OFF);
  int rc = mw_loop_init(&wire->loop, NULL);
  if (rc != 0) return rc;
  mw_dispatch_init(&wire->dispatch, "http", 0);
  mw_router_init(&wire->router, 1);
  wire->dispatch.router = &wire->router;
  struct mw_engine_config config = {.loop = &wire->loop, .dispatch = &wire->dispatch, .max_receive_bytes = 1 << 16};
  rc = wire_add_methods(wire);
  if (rc == 0) rc = mw_engine_http.open(&config, &base, NULL);
  if (rc == 0) {
    wire->engine = mw_http_engine_of(base);
  } else {
    wire_close(wire);
  }
  return rc;
}

/* ---- the wire ---- */

/* Passes the session a piece from memory that is freed afterwards. Returns false when the connection must be closed. */
static bool wire_give(struct wire *wire, struct mw_http_conn *conn, const void *bytes, size_t len) {
  uint8_t *piece = malloc(len + 1);
  if (!piece) return false;
  memcpy(piece, bytes, len);
  bool stands = mw_http_session_receive(&conn->session, mw_slice(piece, len));
  mw_http_turn_run_ready(&wire->engine->turn);
  mw_http_session_keep_data(&conn->session);
  free(piece);
  return stands;
}

/* Pulls the session's output. Returns false when the connection must be closed. */
static bool wire_take(struct wire *wire, struct mw_http_conn *conn) {
  struct mw_http_batch *batch = &wire->engine->batch;
  bool stands = true;
  size_t taken = 0;
  do {
    bool more;
    mw_http_batch_reset(batch);
    stands = mw_http_session_pull(&conn->session, batch, &more);
    mw_http_batch_free_spent(batch);
    mw_http_turn_run_ready(&wire->engine->turn);
    taken += batch->len;
    check(taken <= WIRE_ANSWER_MAX);
  } while (stands && batch->len > 0);
  return stands && !mw_http_session_is_done(&conn->session);
}

static void wire_talk(struct wire *wire, struct mw_http_conn *conn, struct mw_slice input) {
  static const char preface[] = NGHTTP2_CLIENT_MAGIC "\0\0\0\4\0\0\0\0\0";
  uint8_t how = input.data[0];
  size_t step = (size_t)1 << (2 * (how & 7)), half = input.len / 2;
  if (mw_http_session_init(&conn->session, wire->engine) != 0) return;
  bool stands = (how & WIRE_OWN_PREFACE) || wire_give(wire, conn, preface, sizeof preface - 1);
  for (size_t at = 1; stands && at < input.len; at += step) {
    if ((how & WIRE_DRAIN) && at >= half) mw_http_conn_drain(conn);
    stands = wire_give(wire, conn, input.data + at, input.len - at < step ? input.len - at : step);
    if (stands && !(how & WIRE_TAKE_LATE)) stands = wire_take(wire, conn);
  }
  if (stands) wire_take(wire, conn);
}

void wire_run(struct wire *wire, struct mw_slice input) {
  struct mw_http_conn *conn = input.len > 0 ? mw_http_conn_new(wire->engine) : NULL;
  if (!conn) return;
  wire_talk(wire, conn, input);
  mw_http_conn_close(conn);
  mw_http_turn_run_ready(&wire->engine->turn);
  while (!mw_list_empty(&wire->engine->conns)) uv_run(&wire->loop.uv, UV_RUN_NOWAIT);
  check(wire->dispatch.live == 0);
}
