/* Any bytes become a pool or an error. The built-in services serve the pool, it contains the imports of its files, and
 * messages of its types can be read and written. */
#include <stdlib.h>

#include "rpc/engine.h"
#include "schema/json/json.h"
#include "schema/pool/roots.h"
#include "schema/wire/message.h"
#include "server/services/health.h"
#include "server/services/reflection.h"

enum { TYPES = 16, BUDGET = 1 << 20 }; /* TYPES: types to try; the pool lists those of the input first */

static void check(bool ok) {
  if (!ok) abort();
}

/* ---- calls of the built-in services ---- */

struct fake {
  struct mw_call call;
  struct mw_buf reserved;
  bool finished;
};

static struct fake *fake_of(struct mw_call *call) { return MW_CONTAINER(call, struct fake, call); }
static void fake_read(struct mw_call *call) {}
static uint8_t *fake_reserve(struct mw_call *call, size_t size) {
  struct mw_buf *reserved = &fake_of(call)->reserved;
  mw_buf_clear(reserved);
  return mw_buf_reserve(reserved, size + 1) == 0 ? reserved->data : NULL;
}
static void fake_send(struct mw_call *call, unsigned flags) {
  if (!(flags & MW_SEND_LAST)) mw_call_on_sent(call, 1);
}
static void fake_send_headers(struct mw_call *call) {}
static void fake_finish(struct mw_call *call, const struct mw_status *status) { fake_of(call)->finished = true; }
static const struct mw_engine_call_ops ops = {fake_read, fake_reserve, fake_send, fake_send_headers, fake_finish, NULL};

static void call(struct mw_dispatch *dispatch, const char *path, struct mw_slice request) {
  struct mw_status gone = mw_status(MW_CODE_CANCELLED, "");
  struct fake fake = {.call = {.ops = &ops, .path = mw_slice_str(path), .peer = "fuzz"}};
  mw_arena_init(&fake.call.arena, BUDGET);
  mw_dispatch_start(dispatch, &fake.call);
  if (!fake.finished) mw_call_on_message(&fake.call, request);
  if (!fake.finished) mw_call_on_cancel(&fake.call, gone);
  check(fake.finished);
  mw_arena_fini(&fake.call.arena);
  mw_buf_fini(&fake.reserved);
}

/* Sends a request to reflection, with a short text in field `number`. */
static void ask(struct mw_dispatch *dispatch, unsigned number, const char *text) {
  static const char v1[] = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
  static const char v1alpha[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
  uint8_t request[2 + 4 + 127] = {(uint8_t)(number << 3 | 2)};
  size_t len = strnlen(text, 120);
  bool extension = number == 5; /* the field is a message: the type and the number 50001 */
  request[1] = (uint8_t)(len + (extension ? 6 : 0));
  uint8_t *at = request + 2;
  if (extension) {
    *at++ = 0x0a;
    *at++ = (uint8_t)len;
  }
  memcpy(at, text, len);
  at += len;
  if (extension) memcpy(at, "\x10\xd1\x86\x03", 4);
  size_t size = 2 + (size_t)request[1];
  call(dispatch, v1, mw_slice(request, size));
  call(dispatch, v1alpha, mw_slice(request, size));
}

static void serve(const struct mw_pool *pool, struct mw_slice bytes) {
  static struct mw_pool *builtin; /* shared by all inputs */
  if (!builtin) check(mw_pool_new(&builtin, mw_slice(NULL, 0), NULL) == 0);
  struct mw_dispatch dispatch;
  struct mw_router router;
  struct mw_health health;
  struct mw_reflection reflection;
  mw_router_init(&router, 1);
  mw_dispatch_init(&dispatch, "fuzz", 0);
  mw_health_init(&health, &dispatch, NULL, NULL);
  mw_reflection_init(&reflection, &dispatch);
  router.pool = pool;
  dispatch.router = &router;
  check(mw_health_route(&health, &router, builtin) == 0);
  check(mw_reflection_route(&reflection, &router, builtin) == 0);
  static const char *const paths[] = {"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/List",
                                      "/grpc.health.v1.Health/Watch"};
  for (size_t i = 0; i < 3; i++) {
    call(&dispatch, paths[i], mw_slice("", 0));
    call(&dispatch, paths[i], mw_slice("\x0a\x01s", 3));
    call(&dispatch, paths[i], bytes);
  }
  ask(&dispatch, 7, "");
  ask(&dispatch, 4, "google.rpc.RetryInfo");
  for (size_t i = 0; i < mw_pool_message_count(pool) && i < TYPES; i++) {
    const struct mw_message_type *type = mw_pool_message_at(pool, i);
    ask(&dispatch, 3, type->file);
    ask(&dispatch, 4, type->full_name);
    ask(&dispatch, 5, type->full_name);
    ask(&dispatch, 6, type->full_name);
  }
  mw_dispatch_fini(&dispatch);
  mw_router_fini(&router);
}

/* ---- files and types ---- */

static void check_imports(const struct mw_pool *pool, const char *path) {
  const char *const *imports;
  size_t n = mw_pool_imports(pool, path, &imports);
  for (size_t i = 0; i < n; i++) check(mw_pool_file(pool, imports[i]).data != NULL);
}

/* Reads `bytes` as a message of the type; writes it as protobuf and as JSON. */
static void use(const struct mw_pool *pool, const struct mw_message_type *type, struct mw_slice bytes) {
  struct mw_arena arena;
  struct mw_buf json = MW_BUF_INIT, packed = MW_BUF_INIT;
  ProtobufCMessage *message;
  mw_arena_init(&arena, BUDGET);
  if (mw_message_unpack(type, bytes, &arena, &message, NULL) == 0) {
    check(mw_buf_reserve(&packed, mw_message_size(message) + 1) == 0);
    mw_message_pack(message, packed.data);
    (void)mw_json_write(&json, pool, type, message, &(struct mw_json_options){0}, NULL);
  }
  mw_buf_fini(&packed);
  mw_buf_fini(&json);
  mw_arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct mw_pool *pool = NULL;
  struct mw_slice bytes = mw_slice(data, size);
  mw_log_set_level(MW_LOG_OFF);
  if (mw_pool_load(&pool, bytes, MW_ROOTS("proto"), NULL) != 0) return 0;
  for (size_t i = 0; i < mw_pool_message_count(pool); i++) {
    const struct mw_message_type *type = mw_pool_message_at(pool, i);
    check_imports(pool, type->file);
    if (i >= TYPES) continue;
    use(pool, type, mw_slice("", 0));
    use(pool, type, bytes);
  }
  serve(pool, bytes);
  mw_pool_unref(pool);
  return 0;
}
