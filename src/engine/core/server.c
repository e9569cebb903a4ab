#include "engine/core/server.h"

#include <assert.h>
#include <limits.h>
#include <math.h>

#include "base/clock.h"
#include "engine/core/acceptor.h"
#include "engine/core/call.h"
#include "engine/core/credentials.h"

/* PENDING: requests for a next call at a time. */
enum { PENDING = 64, MAX_METADATA = 16 * 1024, PING_STRIKES = 2, STREAMS = 256, HANDSHAKE_SECONDS = 20 };

/* The default of limits.buffer_bytes. */
enum { BUFFER_BYTES = 16 * 1024 * 1024 };

/* ---- opening ---- */

static grpc_arg integer(const char *key, size_t value) {
  grpc_arg arg = {.type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)key};
  arg.value.integer = value > INT_MAX ? INT_MAX : (int)value;
  return arg;
}

/* 0 seconds stand for never, which is INT_MAX for core. */
static grpc_arg span(const char *key, double seconds) {
  double ms = ceil(seconds * 1000);
  return integer(key, seconds > 0 && ms < INT_MAX ? (size_t)ms : INT_MAX);
}

static void on_shutdown(struct mw_core_tag *tag, bool ok) {
  MW_CONTAINER(tag, struct mw_core_server, shutdown)->down = true;
}

int mw_core_server_init(struct mw_core_engine *engine, const struct mw_engine_config *config, struct mw_err *err) {
  struct mw_core_server *server = &engine->server;
  *server = (struct mw_core_server){.shutdown = {on_shutdown}};
  server->backlogs.buffer_bytes = config->limits.buffer_bytes ? config->limits.buffer_bytes : BUFFER_BYTES;
  mw_list_init(&server->calls);
  mw_list_init(&server->pool);
  for (size_t i = 0; i < MW_CORE_LANES; i++) mw_run_lane_init(&server->lanes[i], &engine->dispatch->queue);
  server->seed = (uint64_t)mw_clock_wall() ^ (uintptr_t)server;
  mw_core_acceptors_init(engine);
  if (config->tls) {
    int rc = mw_core_certs_new(config->tls, &server->certs, err);
    if (rc != 0) return rc;
  }
  server->alone = !config->team;
  server->team = config->team ? config->team : mw_core_team_new(1);
  if (!server->team) {
    mw_core_certs_free(server->certs);
    return mw_err_set(err, MW_ENOMEM, "out of memory");
  }
  const struct mw_engine_limits *limits = &config->limits;
  server->connections = limits->connections;
  const struct mw_keepalive *keepalive = &config->keepalive;
  if (keepalive->time > 0) server->user_timeout_ms = span("", keepalive->timeout).value.integer;
  double handshake = limits->handshake_seconds > 0 ? limits->handshake_seconds : HANDSHAKE_SECONDS;
  mw_core_handshake_init(&server->silent, engine->loop, engine->dispatch->metrics, handshake);
  grpc_arg args[] = {
      mw_core_handoff_arg(&server->handoff),
      integer(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, engine->max_receive_bytes),
      integer(GRPC_ARG_MAX_METADATA_SIZE, config->max_metadata_bytes ? config->max_metadata_bytes : MAX_METADATA),
      integer(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0), /* engine/core/slices.h does it */
      span(GRPC_ARG_KEEPALIVE_TIME_MS, keepalive->time),
      span(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, keepalive->timeout),
      integer(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, keepalive->permit_without_stream),
      integer(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0), /* no limit on the server's own PINGs */
      span(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, keepalive->min_time),
      integer(GRPC_ARG_HTTP2_MAX_PING_STRIKES, keepalive->min_time > 0 ? PING_STRIKES : 0), /* 0: no limit */
      span(GRPC_ARG_MAX_CONNECTION_IDLE_MS, keepalive->max_connection_idle),
      span(GRPC_ARG_MAX_CONNECTION_AGE_MS, keepalive->max_connection_age),
      span(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, keepalive->max_connection_age_grace),
      integer(GRPC_ARG_MAX_CONCURRENT_STREAMS, limits->streams > 0 ? limits->streams : STREAMS),
      integer(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, (size_t)(handshake * 1000) + MW_CORE_SILENT_MS),
  };
  grpc_channel_args channel_args = {sizeof args / sizeof *args, args};
  server->grpc = grpc_server_create(&channel_args, NULL);
  grpc_server_register_completion_queue(server->grpc, engine->queue.cq, NULL);
  return 0;
}

/* ---- listening ---- */

static int open_handoff(struct mw_core_server *server, const char *address, struct mw_err *err) {
  if (server->handoff.handler) return 0;
  grpc_server_credentials *credentials = server->certs ? mw_core_certs_credentials(server->certs)
                                                       : grpc_insecure_server_credentials_create();
  if (!credentials) return mw_err_set(err, MW_ENOMEM, "out of memory");
  bool opened = mw_core_handoff_open(&server->handoff, server->grpc, credentials);
  grpc_server_credentials_release(credentials);
  if (opened) return 0;
  return mw_err_set(err, MW_EIO, "cannot listen on %s: gRPC core takes no sockets", address);
}

int mw_core_server_listen(struct mw_core_engine *engine, const char *address, struct mw_err *err) {
  int rc = open_handoff(&engine->server, address, err);
  return rc == 0 ? mw_acceptors_listen(&engine->server.acceptors, address, err) : rc;
}

int mw_core_server_accept_from(struct mw_core_engine *engine, int fd, const char *address, struct mw_err *err) {
  int rc = open_handoff(&engine->server, address, err);
  return rc == 0 ? mw_acceptors_accept_from(&engine->server.acceptors, fd, address, err) : rc;
}

/* ---- running and closing ---- */

void mw_core_server_start(struct mw_core_engine *engine) {
  grpc_server_start(engine->server.grpc);
  for (int i = 0; i < PENDING; i++) mw_core_call_request(engine);
}

void mw_core_server_drain(struct mw_core_engine *engine) {
  struct mw_core_server *server = &engine->server;
  if (server->draining) return;
  server->draining = engine->dispatch->draining = true;
  mw_acceptors_close(&server->acceptors);
  grpc_server_shutdown_and_notify(server->grpc, engine->queue.cq, &server->shutdown);
}

bool mw_core_server_is_idle(const struct mw_core_engine *engine) {
  return engine->server.down && engine->server.n_calls == 0;
}

void mw_core_server_await(struct mw_core_engine *engine) {
  const struct mw_list *calls = &engine->server.calls;
  for (struct mw_list *link = calls->next; link != calls; link = link->next) {
    mw_core_call_await(MW_CONTAINER(link, struct mw_core_call, link));
  }
}

static void detach_calls(struct mw_core_server *server) {
  struct mw_list *link = server->calls.next;
  while (link != &server->calls) {
    struct mw_core_call *core = MW_CONTAINER(link, struct mw_core_call, link);
    link = link->next;
    mw_core_call_detach(core);
  }
}

void mw_core_server_fini(struct mw_core_engine *engine) {
  struct mw_core_server *server = &engine->server;
  mw_core_server_drain(engine);
  detach_calls(server);
  mw_core_handshake_fini(&server->silent);
  grpc_server_cancel_all_calls(server->grpc);
  while (!mw_core_server_is_idle(engine)) mw_core_queue_next(&engine->queue, -1);
  grpc_server_destroy(server->grpc);
  struct mw_list *link;
  while ((link = mw_list_shift(&server->pool))) mw_core_call_free(MW_CONTAINER(link, struct mw_core_call, link));
  mw_core_backlogs_fini(&server->backlogs);
  mw_core_certs_free(server->certs);
  if (server->alone) mw_core_team_free(server->team);
}
