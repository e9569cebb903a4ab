#include "server/services/health.h"

#include <string.h>

#include "base/clock.h"
#include "schema/wire/message.h"
#include "schema/wire/write.h"

#define LOOK_EVERY ((int64_t)MW_NS_PER_S / 4)

/* grpc.health.v1.HealthCheckResponse.ServingStatus */
enum serving_status { SERVING = 1, NOT_SERVING = 2, SERVICE_UNKNOWN = 3 };

struct watcher {
  struct mw_list link;
  struct mw_call *call;
  struct mw_slice name; /* name of the service, in the call's arena */
  enum serving_status sent;
};

static struct mw_health *health_of(const struct mw_call *call) { return call->route->arg; }

/* ---- statuses ---- */

/* Status of the server, which is also the status of each of its services. */
static enum serving_status overall(const struct mw_health *health) {
  char why[8];
  bool sick = health->store && mw_store_unhealthy(*health->store, why, sizeof why);
  return health->serving && !sick ? SERVING : NOT_SERVING;
}

/* True if any method of the service has a handler. The empty name stands for the server. */
static bool exists(const struct mw_health *health, struct mw_slice name) {
  const struct mw_router *router = health->dispatch->router;
  const struct mw_service_type *service = mw_router_service(router, name);
  return name.len == 0 || (service && mw_router_serves(router, service));
}

static enum serving_status status_of(const struct mw_health *health, struct mw_slice name) {
  return exists(health, name) ? overall(health) : SERVICE_UNKNOWN;
}

/* HealthCheckResponse{status}, packed: field 1, a varint. */
enum { RESPONSE_LEN = 2 };

static void pack(uint8_t out[RESPONSE_LEN], enum serving_status status) {
  out[0] = 1 << 3;
  out[1] = (uint8_t)status;
}

static bool fill(struct mw_call *call, enum serving_status status) {
  uint8_t *out = mw_call_reserve(call, RESPONSE_LEN);
  if (out) pack(out, status);
  return out != NULL;
}

/* ---- requests and replies ---- */

static void finish(struct mw_call *call, enum mw_code code, const char *text) {
  struct mw_status status = mw_status(code, text);
  mw_call_finish(call, &status);
}

static void finish_without_memory(struct mw_call *call) { finish(call, MW_CODE_RESOURCE_EXHAUSTED, "out of memory"); }

/* Unpacks the request into the arena of the call. Returns 0, or an error after finishing the call with it. */
static int unpack(struct mw_call *call, struct mw_slice bytes, ProtobufCMessage **request) {
  struct mw_err err = MW_ERR_INIT;
  int rc = mw_message_unpack(call->route->method->input, bytes, &call->arena, request, &err);
  if (rc != 0) finish(call, mw_code_of_error(rc), mw_err_text(&err));
  mw_err_fini(&err);
  return rc;
}

/* Unpacks a HealthCheckRequest in the same way and reads its name. */
static int read_request(struct mw_call *call, struct mw_slice bytes, struct mw_slice *name) {
  ProtobufCMessage *request;
  int rc = unpack(call, bytes, &request);
  if (rc != 0) return rc;
  const ProtobufCBinaryData *value = mw_field_value(request, mw_field_by_number(call->route->method->input, 1));
  *name = mw_slice(value->data, value->len);
  return 0;
}

static void reply(struct mw_call *call, struct mw_slice bytes) {
  uint8_t *out = mw_call_reserve(call, bytes.len);
  if (!out) {
    finish_without_memory(call);
    return;
  }
  memcpy(out, bytes.data, bytes.len);
  mw_call_send(call, MW_SEND_LAST);
  finish(call, MW_CODE_OK, "");
}

static void on_writable(struct mw_call *call) {}

static void on_cancelled(struct mw_call *call, struct mw_status status) { mw_call_finish(call, &status); }

/* ---- Check ---- */

static void on_check(struct mw_call *call, struct mw_slice bytes) {
  struct mw_slice name;
  if (read_request(call, bytes, &name) != 0) return;
  enum serving_status status = status_of(health_of(call), name);
  uint8_t response[RESPONSE_LEN];
  pack(response, status);
  if (status == SERVICE_UNKNOWN) {
    finish(call, MW_CODE_NOT_FOUND, "unknown service");
  } else {
    reply(call, mw_slice(response, sizeof response));
  }
}

/* ---- List ---- */

/* Appends an entry of HealthListResponse.statuses. */
static int put_status(struct mw_buf *out, const char *name, enum serving_status status) {
  struct mw_buf entry = MW_BUF_INIT;
  uint8_t response[RESPONSE_LEN];
  pack(response, status);
  int rc = mw_wire_put_bytes(&entry, 1, mw_slice_str(name));
  if (rc == 0) rc = mw_wire_put_bytes(&entry, 2, mw_slice(response, sizeof response));
  if (rc == 0) rc = mw_wire_put_bytes(out, 1, mw_buf_slice(&entry));
  mw_buf_fini(&entry);
  return rc;
}

/* Lists the server and the services with a handler. */
static void on_list(struct mw_call *call, struct mw_slice bytes) {
  ProtobufCMessage *request;
  if (unpack(call, bytes, &request) != 0) return;
  const struct mw_router *router = health_of(call)->dispatch->router;
  const struct mw_service_type *service;
  enum serving_status status = overall(health_of(call));
  struct mw_buf statuses = MW_BUF_INIT;
  size_t cursor = 0;
  int rc = put_status(&statuses, "", status);
  while (rc == 0 && (service = mw_map_next(&router->services, &cursor, NULL)) != NULL) {
    if (mw_router_serves(router, service)) rc = put_status(&statuses, service->full_name, status);
  }
  if (rc == 0) {
    reply(call, mw_buf_slice(&statuses));
  } else {
    finish_without_memory(call);
  }
  mw_buf_fini(&statuses);
}

/* ---- Watch ---- */

/* Sends the status if it has changed. A client that does not read receives the newest status once it reads. */
static void update(struct watcher *watcher, enum serving_status status) {
  if (watcher->sent == status || watcher->call->stalled || !fill(watcher->call, status)) return;
  watcher->sent = status;
  mw_call_send(watcher->call, 0);
}

static void look(void *arg) {
  struct mw_health *health = arg;
  health->look = NULL;
  enum serving_status now = overall(health);
  for (struct mw_list *node = health->watchers.next, *next; node != &health->watchers; node = next) {
    struct watcher *watcher = MW_CONTAINER(node, struct watcher, link);
    next = node->next;
    update(watcher, exists(health, watcher->name) ? now : SERVICE_UNKNOWN);
  }
  if (mw_list_empty(&health->watchers) || !health->store) return;
  health->look = mw_timer_start_real(health->loop, LOOK_EVERY, look, health);
}

static void on_follow(struct mw_post *post) {
  struct mw_health *health = MW_CONTAINER(post, struct mw_health, follow);
  health->following = false;
  mw_timer_stop(health->look);
  look(health);
}

void mw_health_follow(struct mw_health *health) {
  if (health->following || mw_list_empty(&health->watchers)) return;
  health->following = true;
  mw_loop_post(health->loop, &health->follow);
}

/* Sends NOT_SERVING, unless the client has received SERVICE_UNKNOWN, and ends the call. */
static void end_watch(struct mw_call *call, bool known) {
  if (known && fill(call, NOT_SERVING)) mw_call_send(call, MW_SEND_LAST);
  struct mw_status status = mw_status_shutting_down();
  mw_call_finish(call, &status);
}

/* Sends the status. The call stays open until the client cancels it. */
static void on_watch(struct mw_call *call, struct mw_slice bytes) {
  struct mw_slice name;
  if (read_request(call, bytes, &name) != 0) return;
  struct watcher *watcher = mw_arena_alloc(&call->arena, sizeof *watcher);
  struct mw_health *health = health_of(call);
  enum serving_status status = status_of(health, name);
  if (!health->serving) {
    end_watch(call, status != SERVICE_UNKNOWN);
    return;
  }
  if (!watcher || !fill(call, status)) {
    finish_without_memory(call);
    return;
  }
  *watcher = (struct watcher){.call = call, .name = name, .sent = status};
  mw_list_push(&health->watchers, &watcher->link);
  call->state = watcher;
  mw_call_send(call, 0);
  if (health->store && !health->look) health->look = mw_timer_start_real(health->loop, LOOK_EVERY, look, health);
}

static void on_watch_writable(struct mw_call *call) {
  struct watcher *watcher = call->state;
  update(watcher, status_of(health_of(call), watcher->name));
}

static void on_watch_cancelled(struct mw_call *call, struct mw_status status) {
  struct watcher *watcher = call->state;
  if (watcher) mw_list_remove(&watcher->link);
  mw_call_finish(call, &status);
}

/* ---- the service ---- */

static const struct mw_handler check_handler = {
    .writable = on_writable, .cancelled = on_cancelled, .request = on_check};
static const struct mw_handler list_handler = {.writable = on_writable, .cancelled = on_cancelled, .request = on_list};
static const struct mw_handler watch_handler = {
    .writable = on_watch_writable, .cancelled = on_watch_cancelled, .request = on_watch};

void mw_health_init(struct mw_health *health, const struct mw_dispatch *dispatch, struct mw_loop *loop,
                    struct mw_store *const *store) {
  *health = (struct mw_health){
      .serving = true, .dispatch = dispatch, .loop = loop, .store = store, .follow.run = on_follow};
  mw_list_init(&health->watchers);
}

void mw_health_fini(struct mw_health *health) {
  mw_timer_stop(health->look);
  health->look = NULL;
}

int mw_health_route(struct mw_health *health, struct mw_router *router, const struct mw_pool *pool) {
  static const struct {
    const char *path;
    const struct mw_handler *handler;
  } methods[] = {{"/grpc.health.v1.Health/Check", &check_handler},
                 {"/grpc.health.v1.Health/List", &list_handler},
                 {"/grpc.health.v1.Health/Watch", &watch_handler}};
  int rc = 0;
  for (size_t i = 0; i < sizeof methods / sizeof *methods && rc == 0; i++) {
    rc = mw_router_add(router, mw_pool_method(pool, mw_slice_str(methods[i].path)), methods[i].handler, health);
  }
  return rc;
}

void mw_health_stop(struct mw_health *health) {
  health->serving = false;
  struct mw_list *node;
  while ((node = mw_list_shift(&health->watchers)) != NULL) {
    struct watcher *watcher = MW_CONTAINER(node, struct watcher, link);
    end_watch(watcher->call, watcher->sent != SERVICE_UNKNOWN);
  }
}
