/* An engine alone: a handler in C echoes unary calls, without schema and script.
 *
 * usage: unary ENGINE HOST:PORT   prints "listening on HOST:PORT" when it is ready, and serves Hello and Echo of
 *                                 race.Race, until a signal ends it */
#include <signal.h>
#include <stdio.h>

#include "server/settings/engines.h"

static void on_message(struct mw_call *call, struct mw_slice bytes) {
  struct mw_status ok = {MW_CODE_OK, {NULL, 0}, {NULL, 0}};
  uint8_t *reply = mw_call_reserve(call, bytes.len);
  if (reply) memcpy(reply, bytes.data, bytes.len);
  mw_call_send(call, MW_SEND_LAST);
  mw_call_finish(call, &ok);
}

static void on_writable(struct mw_call *call) {}
static void on_cancelled(struct mw_call *call, struct mw_status status) { mw_call_finish(call, &status); }

static const struct mw_handler echo = {.writable = on_writable, .cancelled = on_cancelled, .request = on_message};
static const struct mw_service_type service = {.full_name = "race.Race"};
static const struct mw_method_type methods[] = {
    {.name = "Hello", .path = "/race.Race/Hello", .service = &service},
    {.name = "Echo", .path = "/race.Race/Echo", .service = &service},
};

static void on_signal(uv_signal_t *handle, int number) {
  struct mw_engine *engine = handle->data;
  engine->ops->stop(engine);
}

static int serve(const struct mw_engine_ops *ops, const char *address, struct mw_err *err) {
  struct mw_loop loop;
  struct mw_dispatch dispatch;
  struct mw_router router;
  struct mw_engine *engine;
  int rc = mw_loop_init(&loop, err);
  if (rc != 0) return rc;
  mw_router_init(&router, 2);
  mw_dispatch_init(&dispatch, ops->name, 0);
  dispatch.router = &router;
  dispatch.metrics = mw_metrics_new();
  mw_router_add(&router, &methods[0], &echo, NULL);
  mw_router_add(&router, &methods[1], &echo, NULL);
  struct mw_engine_config config = {.loop = &loop, .dispatch = &dispatch};
  rc = ops->open(&config, &engine, err);
  if (rc == 0) {
    uv_signal_t signal;
    uv_signal_init(&loop.uv, &signal);
    signal.data = engine;
    uv_signal_start(&signal, on_signal, SIGTERM);
    rc = engine->ops->listen(engine, address, err);
    if (rc == 0) {
      printf("listening on %s\n", address);
      fflush(stdout);
      engine->ops->run(engine);
    }
    engine->ops->close(engine);
  }
  mw_loop_fini(&loop);
  mw_dispatch_fini(&dispatch);
  mw_router_fini(&router);
  mw_metrics_free(dispatch.metrics);
  return rc;
}

int main(int argc, char **argv) {
  const struct mw_engine_ops *ops = argc == 3 ? mw_server_engine(argv[1]) : NULL;
  if (!ops) {
    fprintf(stderr, "usage: %s ENGINE HOST:PORT\n", argv[0]);
    return 2;
  }
  struct mw_err err = MW_ERR_INIT;
  int rc = serve(ops, argv[2], &err);
  if (rc != 0) fprintf(stderr, "%s: %s\n", argv[0], mw_err_text(&err));
  mw_err_fini(&err);
  return rc == 0 ? 0 : 1;
}
