#include "engine/http/http.h"

#include <stdlib.h>

#include "base/clock.h"
#include "engine/http/conn/call.h"
#include "engine/http/conn/conn_io.h"
#include "engine/http/conn/lifetime.h"
#include "engine/http/conn/turn_handles.h"
#include "engine/http/listener.h"
#include "engine/http/sharing/remote.h"
#include "rpc/forward.h"

enum {
  MAX_RECEIVE = 4 * 1024 * 1024,
  MAX_METADATA = 16 * 1024,
  ACKS_SPARE = 100,           /* so that flood.h ends the connection before nghttp2's own limit does */
  FLUSH_NS = MW_NS_PER_S / 2, /* time that a stopped engine gives its connections to flush the last replies */
};

/* Default limits; documented in docs/settings.md. */
static const struct mw_engine_limits defaults = {.streams = 256,
                                                 .stream_resets = 1000,
                                                 .control_frames = 1000,
                                                 .handshake_seconds = 20,
                                                 .message_seconds = 20,
                                                 .send_seconds = 60,
                                                 .buffer_bytes = 16 * 1024 * 1024};

static struct mw_engine_limits complete(struct mw_engine_limits limits) {
#define OR_DEFAULT(member) \
  if (!(limits.member > 0)) limits.member = defaults.member
  OR_DEFAULT(streams);
  OR_DEFAULT(stream_resets);
  OR_DEFAULT(control_frames);
  OR_DEFAULT(handshake_seconds);
  OR_DEFAULT(message_seconds);
  OR_DEFAULT(send_seconds);
  OR_DEFAULT(buffer_bytes);
#undef OR_DEFAULT
  return limits;
}

static void engine_free(struct mw_http_engine *engine) {
  mw_http_calls_free(engine);
  mw_http_tls_context_free(engine->tls);
  nghttp2_session_callbacks_del(engine->callbacks);
  nghttp2_option_del(engine->option);
  mw_blocks_fini(&engine->blocks);
  mw_buf_fini(&engine->scratch);
  free(engine);
}

static int engine_open(const struct mw_engine_config *config, struct mw_engine **out, struct mw_err *err) {
  struct mw_http_engine *engine = malloc(sizeof *engine);
  if (!engine) return mw_err_set(err, MW_ENOMEM, "out of memory");
  memset(engine, 0, offsetof(struct mw_http_engine, batch));
  engine->batch.spent = NULL;
  engine->base.ops = &mw_engine_http;
  engine->free = engine_free;
  engine->loop = config->loop;
  engine->dispatch = config->dispatch;
  engine->memory = mw_http_memory(&engine->blocks);
  engine->max_receive_bytes = config->max_receive_bytes ? config->max_receive_bytes : MAX_RECEIVE;
  engine->max_metadata_bytes = config->max_metadata_bytes ? config->max_metadata_bytes : MAX_METADATA;
  engine->limits = complete(config->limits);
  if (!engine->limits.open) engine->limits.open = &engine->conns_open;
  mw_http_keepalive_init(&engine->keepalive, &config->keepalive, engine->loop, mw_http_lifetime_check, engine);
  mw_http_listeners_init(engine);
  mw_list_init(&engine->conns);
  mw_list_init(&engine->pool);
  mw_list_init(&engine->remote_calls);
  int rc = mw_http_session_setup(&engine->callbacks, &engine->option);
  if (rc == 0) nghttp2_option_set_max_outbound_ack(engine->option, engine->limits.control_frames + ACKS_SPARE);
  if (rc != 0) mw_err_set(err, rc, "out of memory");
  if (rc == 0 && config->tls) rc = mw_http_tls_context_new(&engine->tls, config->tls, err);
  if (rc != 0) {
    engine_free(engine);
    return rc;
  }
  mw_http_engine_enter(engine);
  mw_http_turn_open(engine);
  if (config->team) mw_http_remote_join(engine, config->team);
  *out = &engine->base;
  return 0;
}

static int engine_listen(struct mw_engine *base, const char *address, struct mw_err *err) {
  return mw_acceptors_listen(&mw_http_engine_of(base)->acceptors, address, err);
}

static int engine_accept_from(struct mw_engine *base, int fd, const char *address, struct mw_err *err) {
  return mw_acceptors_accept_from(&mw_http_engine_of(base)->acceptors, fd, address, err);
}

static void visit_conns(struct mw_http_engine *engine, void (*visit)(struct mw_http_conn *conn)) {
  struct mw_list *link = engine->conns.next;
  while (link != &engine->conns) {
    struct mw_http_conn *conn = MW_CONTAINER(link, struct mw_http_conn, link);
    link = link->next;
    visit(conn);
  }
}

static void on_flush_expired(void *arg) {
  struct mw_http_engine *engine = arg;
  engine->flush_expired = true;
}

static void engine_run(struct mw_engine *base) {
  struct mw_http_engine *engine = mw_http_engine_of(base);
  while (!engine->stopping) uv_run(&engine->loop->uv, UV_RUN_DEFAULT);
  struct mw_timer *timer = mw_timer_start(engine->loop, FLUSH_NS, on_flush_expired, engine);
  while (timer && !engine->flush_expired && !mw_list_empty(&engine->conns)) uv_run(&engine->loop->uv, UV_RUN_ONCE);
  if (!engine->flush_expired) mw_timer_stop(timer);
}

static void engine_drain(struct mw_engine *base) {
  struct mw_http_engine *engine = mw_http_engine_of(base);
  if (engine->draining) return;
  engine->draining = true;
  mw_acceptors_close(&engine->acceptors);
  visit_conns(engine, mw_http_conn_drain);
}

static bool engine_is_quiet(struct mw_engine *base) {
  const struct mw_list *conns = &mw_http_engine_of(base)->conns;
  for (const struct mw_list *link = conns->next; link != conns; link = link->next) {
    const struct mw_http_conn *conn = MW_CONTAINER(link, struct mw_http_conn, link);
    if (conn->unsent || !mw_list_empty(&conn->session.calls)) return false;
  }
  return true;
}

static void engine_stop(struct mw_engine *base) {
  struct mw_http_engine *engine = mw_http_engine_of(base);
  if (engine->stopping) return;
  engine_drain(base);
  engine->stopping = engine->dispatch->draining = true;
  struct mw_status status = mw_status_shutting_down();
  mw_dispatch_cancel_all(engine->dispatch, status);
  mw_forward_cancel_all(&engine->dispatch->forwarder, status);
  visit_conns(engine, mw_http_conn_goaway);
  uv_stop(&engine->loop->uv);
}

static void engine_close(struct mw_engine *base) {
  struct mw_http_engine *engine = mw_http_engine_of(base);
  engine->closing = true;
  mw_acceptors_close(&engine->acceptors);
  visit_conns(engine, mw_http_conn_abandon);
  mw_http_keepalive_stop(&engine->keepalive);
  mw_http_remote_close_all(engine);
  mw_http_remote_leave(engine);
  mw_http_turn_close(engine);
  mw_http_engine_leave(engine);
}

const struct mw_engine_ops mw_engine_http = {
    .name = "http",
    .team_new = mw_http_worker_pool_new,
    .team_free = mw_http_worker_pool_free,
    .open = engine_open,
    .listen = engine_listen,
    .accept_from = engine_accept_from,
    .run = engine_run,
    .drain = engine_drain,
    .is_quiet = engine_is_quiet,
    .stop = engine_stop,
    .close = engine_close,
};
