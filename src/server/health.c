#include "server/health.h"

#include <string.h>

#include "base/clock.h"
#include "schema/message.h"

#define LOOK_EVERY ((int64_t)MW_NS_PER_S / 4)

/* grpc.health.v1.HealthCheckResponse.ServingStatus */
enum serving_status { SERVING = 1, NOT_SERVING = 2, SERVICE_UNKNOWN = 3 };

struct watcher {
  struct mw_list link;
  struct mw_call *call;
  bool known; /* the service exists */
  enum serving_status sent;
};

static struct mw_health *health_of(const struct mw_call *call) { return call->route->arg; }

static enum serving_status current(const struct mw_health *health) {
  char why[8];
  bool serving = health->serving && !(health->store && mw_store_unhealthy(health->store, why, sizeof why));
  return serving ? SERVING : NOT_SERVING;
}

/* HealthCheckResponse{status}, packed: field 1, a varint. */
static bool fill(struct mw_call *call, enum serving_status status) {
  uint8_t *out = mw_call_reserve(call, 2);
  if (!out) return false;
  out[0] = 1 << 3;
  out[1] = (uint8_t)status;
  return true;
}

static void finish(struct mw_call *call, enum mw_code code, const char *text) {
  struct mw_status status = mw_status(code, text);
  mw_call_finish(call, &status);
}

/* Reads the name out of HealthCheckRequest. Returns 0 or the error, after which the call is finished. */
static int read_request(struct mw_call *call, struct mw_slice bytes, struct mw_slice *name) {
  const struct mw_message_type *type = call->route->method->input;
  ProtobufCMessage *request;
  struct mw_err err = MW_ERR_INIT;
  int rc = mw_message_unpack(type, bytes, &call->arena, &request, &err);
  if (rc == 0) {
    const ProtobufCBinaryData *value = mw_field_value(request, mw_field_by_number(type, 1));
    *name = mw_slice(value->data, value->len);
  } else {
    finish(call, mw_code_of_error(rc), mw_err_text(&err));
  }
  mw_err_fini(&err);
  return rc;
}

/* Whether any method of the service has a handler; the empty name is the server. */
static bool exists(const struct mw_call *call, struct mw_slice name) {
  if (name.len == 0) return true;
  const struct mw_service_type *service = mw_router_service(call->route->router, name);
  return service && mw_router_serves(call->route->router, service);
}

static void on_start(struct mw_call *call) { mw_call_read(call); }

static void on_check(struct mw_call *call, struct mw_slice bytes) {
  struct mw_slice name;
  if (read_request(call, bytes, &name) != 0) return;
  if (!exists(call, name)) {
    finish(call, MW_CODE_NOT_FOUND, "unknown service");
  } else if (fill(call, current(health_of(call)))) {
    mw_call_fill_last(call);
    finish(call, MW_CODE_OK, "");
  } else {
    finish(call, MW_CODE_RESOURCE_EXHAUSTED, "out of memory");
  }
}

/* Sends the watchers the status when it has changed. One whose client does not read gets the newest later. */
static void look(void *arg) {
  struct mw_health *health = arg;
  health->look = NULL;
  enum serving_status status = current(health);
  for (struct mw_list *node = health->watchers.next, *next; node != &health->watchers; node = next) {
    struct watcher *watcher = MW_CONTAINER(node, struct watcher, link);
    next = node->next;
    if (!watcher->known || watcher->sent == status || watcher->call->stalled) continue;
    if (!fill(watcher->call, status)) continue;
    watcher->sent = status;
    mw_call_send(watcher->call);
  }
  if (mw_list_empty(&health->watchers)) return;
  health->look = mw_timer_start_real(health->loop, LOOK_EVERY, look, health);
}

/* Sends the status; the call stays open until the client leaves. */
static void on_watch(struct mw_call *call, struct mw_slice bytes) {
  struct mw_slice name;
  if (read_request(call, bytes, &name) != 0) return;
  struct watcher *watcher = mw_arena_alloc(&call->arena, sizeof *watcher);
  struct mw_health *health = health_of(call);
  bool known = exists(call, name);
  enum serving_status status = known ? current(health) : SERVICE_UNKNOWN;
  if (!watcher || !fill(call, status)) {
    finish(call, MW_CODE_RESOURCE_EXHAUSTED, "out of memory");
    return;
  }
  watcher->call = call;
  watcher->known = known;
  watcher->sent = status;
  mw_list_push(&health->watchers, &watcher->link);
  call->state = watcher;
  mw_call_send(call);
  if (health->store && !health->look) health->look = mw_timer_start_real(health->loop, LOOK_EVERY, look, health);
}

static void on_end(struct mw_call *call) {}

static void on_writable(struct mw_call *call) {}

static void on_cancelled(struct mw_call *call, struct mw_status status) {
  struct watcher *watcher = call->state;
  if (watcher) mw_list_remove(&watcher->link);
  mw_call_finish(call, &status);
}

static const struct mw_handler check_handler = {on_start, on_check, on_end, on_writable, on_cancelled};
static const struct mw_handler watch_handler = {on_start, on_watch, on_end, on_writable, on_cancelled};

void mw_health_init(struct mw_health *health, struct mw_loop *loop, struct mw_store *store) {
  *health = (struct mw_health){.serving = true, .loop = loop, .store = store};
  mw_list_init(&health->watchers);
}

void mw_health_fini(struct mw_health *health) {
  mw_timer_stop(health->look);
  health->look = NULL;
}

static int route(struct mw_health *health, struct mw_router *router, const struct mw_pool *pool, const char *path,
                 const struct mw_handler *handler) {
  const struct mw_method_type *method = mw_pool_method(pool, mw_slice_str(path));
  return method ? mw_router_add(router, method, handler, health) : 0;
}

int mw_health_route(struct mw_health *health, struct mw_router *router, const struct mw_pool *pool) {
  int rc = route(health, router, pool, "/grpc.health.v1.Health/Check", &check_handler);
  return rc != 0 ? rc : route(health, router, pool, "/grpc.health.v1.Health/Watch", &watch_handler);
}

void mw_health_stop(struct mw_health *health) {
  health->serving = false;
  struct mw_list *node;
  while ((node = mw_list_shift(&health->watchers)) != NULL) {
    struct watcher *watcher = MW_CONTAINER(node, struct watcher, link);
    if (watcher->known && fill(watcher->call, NOT_SERVING)) mw_call_fill_last(watcher->call);
    finish(watcher->call, MW_CODE_UNAVAILABLE, "the server is shutting down");
  }
}
