#include "engine_contract.h"

#include <string.h>

#include "engine/core/core.h"
#include "engine/core/engine.h"
#include "engine/http/http.h"
#include "engine/inproc/inproc.h"

/* ---- the kinds ---- */

static void on_guard(uv_timer_t *guard) {}

/* Of engines that libuv runs. */
static void turn_loop(struct contract *contract) {
  uv_timer_start(&contract->guard, on_guard, 20, 0);
  uv_run(&contract->loop.uv, UV_RUN_ONCE);
}

static void start_core(struct contract *contract) { mw_core_server_start(mw_core_engine_of(contract->engine)); }
static void turn_core(struct contract *contract) { mw_core_poll_turn(&mw_core_engine_of(contract->engine)->poll, 20); }

static const struct contract_kind http = {&mw_engine_http, &mw_engine_core, NULL, turn_loop};
static const struct contract_kind core = {&mw_engine_core, &mw_engine_core, start_core, turn_core};
static const struct contract_kind inproc = {&mw_engine_inproc, &mw_engine_inproc, NULL, turn_loop};

const struct contract_kind *const contract_kinds[] = {&http, &core, &inproc, NULL};

/* ---- the server ---- */

static void open_channel(struct contract *contract) {
  struct mw_engine_config config = {.loop = &contract->loop};
  struct mw_channel_config channel = {.target = contract->address, .max_receive_bytes = CONTRACT_RECEIVE};
  struct mw_err err = MW_ERR_INIT;
  contract->client = contract->engine;
  if (contract->kind->channels != contract->kind->server &&
      contract->kind->channels->open(&config, &contract->client, &err) != 0) {
    fail_msg("%s", mw_err_text(&err));
  }
  if (contract->kind->channels->channels->open(contract->client, &channel, &contract->channel, &err) != 0) {
    fail_msg("%s", mw_err_text(&err));
  }
}

void contract_open(struct contract *contract, const struct contract_kind *kind, bool started) {
  memset(&script, 0, sizeof script);
  mw_log_set_level(MW_LOG_OFF);
  *contract = (struct contract){.kind = kind};
  assert_int_equal(mw_loop_init(&contract->loop, NULL), 0);
  uv_timer_init(&contract->loop.uv, &contract->guard);
  mw_dispatch_init(&contract->dispatch, kind->server->name, 0);
  mw_router_init(&contract->router, 1);
  add_methods(&contract->router);
  contract->dispatch.router = &contract->router;
  struct mw_engine_config config = {
      .loop = &contract->loop, .dispatch = &contract->dispatch, .max_receive_bytes = CONTRACT_RECEIVE};
  struct mw_err err = MW_ERR_INIT;
  if (kind->server->open(&config, &contract->engine, &err) != 0) fail_msg("%s", mw_err_text(&err));
  assert_ptr_equal(contract->engine->ops, kind->server);
  snprintf(contract->address, sizeof contract->address, "127.0.0.1:%u", free_port());
  if (kind->server->listen && kind->server->listen(contract->engine, contract->address, &err) != 0) {
    fail_msg("%s", mw_err_text(&err));
  }
  if (started && kind->start) kind->start(contract);
  open_channel(contract);
}

void contract_close(struct contract *contract) {
  contract->kind->channels->channels->close(contract->channel);
  if (contract->client != contract->engine) contract->kind->channels->close(contract->client);
  contract->kind->server->close(contract->engine);
  uv_close((uv_handle_t *)&contract->guard, NULL);
  mw_loop_fini(&contract->loop);
  assert_int_equal(contract->dispatch.live, 0);
  mw_dispatch_fini(&contract->dispatch);
  mw_router_fini(&contract->router);
}

void contract_call(struct contract *contract, struct client *client, const char *name, int64_t deadline,
                   const struct mw_metadata *metadata) {
  char path[64];
  snprintf(path, sizeof path, name[0] == '/' ? "%s" : "/t.T/%s", name);
  struct mw_client_request request = {.path = mw_slice_str(path), .deadline = deadline, .metadata = metadata};
  client_start_on(client, contract->kind->channels->channels, contract->channel, &request);
}
