#include "core_fixture.h"

void server_open(struct server *server, const struct mw_engine_config *with) {
  memset(&script, 0, sizeof script);
  mw_log_set_level(MW_LOG_OFF);
  assert_int_equal(mw_loop_init(&server->loop, NULL), 0);
  mw_dispatch_init(&server->dispatch, "core", 0);
  mw_router_init(&server->router, 1);
  add_methods(&server->router);
  server->dispatch.router = &server->router;
  struct mw_engine_config config = with ? *with : (struct mw_engine_config){0};
  config.loop = &server->loop;
  config.dispatch = &server->dispatch;
  struct mw_err err = MW_ERR_INIT;
  if (mw_engine_core.open(&config, &server->engine, &err) != 0) fail_msg("%s", mw_err_text(&err));
  server->core = mw_core_engine_of(server->engine);
  snprintf(server->address, sizeof server->address, "127.0.0.1:%u", free_port());
  if (server->engine->ops->listen(server->engine, server->address, &err) != 0) fail_msg("%s", mw_err_text(&err));
}

void server_close(struct server *server) {
  server->engine->ops->close(server->engine);
  mw_loop_fini(&server->loop);
  mw_dispatch_fini(&server->dispatch);
  mw_router_fini(&server->router);
}

struct mw_channel *channel_open(struct server *server, const struct mw_channel_config *with) {
  struct mw_channel_config config = with ? *with : (struct mw_channel_config){0};
  if (!config.target) config.target = server->address;
  struct mw_channel *channel;
  struct mw_err err = MW_ERR_INIT;
  if (server->engine->ops->channels->open(server->engine, &config, &channel, &err) != 0) {
    fail_msg("%s", mw_err_text(&err));
  }
  return channel;
}

void client_start_with(struct client *client, struct mw_channel *channel, const struct mw_client_request *request) {
  client_start_on(client, &mw_core_channel_ops, channel, request);
}

void client_start(struct client *client, struct mw_channel *channel, const char *path) {
  struct mw_client_request request = {.path = mw_slice_str(path), .deadline = MW_NEVER};
  client_start_with(client, channel, &request);
}
