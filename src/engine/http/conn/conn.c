#include "engine/http/conn/conn.h"

#include <stdatomic.h>
#include <stdlib.h>

struct mw_http_conn *mw_http_conn_new(struct mw_http_engine *engine) {
  struct mw_http_conn *conn = calloc(1, sizeof *conn);
  if (!conn) return NULL;
  conn->engine = engine;
  conn->refs = 1;
  mw_list_init(&conn->dirty);
  mw_run_lane_init(&conn->lane, &engine->dispatch->queue);
  mw_list_init(&conn->session.calls);
  mw_list_init(&conn->session.quota.waiting);
  mw_send_backlog_init(&conn->session.backlog, MW_BACKLOG_BUFFERS * engine->limits.buffer_bytes);
  uv_tcp_init(&engine->loop->uv, &conn->uv.tcp);
  mw_http_engine_enter(engine);
  mw_list_push(&engine->conns, &conn->link);
  mw_http_keepalive_start(&engine->keepalive, &conn->keepalive);
  return conn;
}

void mw_http_conn_unref(struct mw_http_conn *conn) {
  if (--conn->refs > 0) return;
  struct mw_http_engine *engine = conn->engine;
  if (conn->counted) atomic_fetch_sub_explicit(engine->limits.open, 1, memory_order_relaxed);
  mw_list_remove(&conn->link);
  mw_http_tls_free(conn->tls);
  free(conn->unsent);
  free(conn);
  mw_http_engine_leave(engine);
}
