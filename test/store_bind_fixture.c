#include "store_bind_fixture.h"
#include "script/open.h"
#include "bind/job.h"
#include "bind/call/service.h"
#include "bind/message/status.h"
#include "bind/message/message.h"
#include "bind/base/openers.h"

static void open_module(lua_State *L, struct mw_program *program) {
  lua_newtable(L);
  mw_bind_open_status(L, program);
  mw_bind_open_message(L, program);
  mw_bind_open_job(L, program);
  mw_bind_open_sleep(L, program);
  mw_bind_open_store(L, program);
}

int binding_setup(void **state, const char *script, unsigned workers, size_t map_size) {
  void *fixture;
  if (fixture_setup(&fixture) != 0) return -1;
  struct binding *b = calloc(1, sizeof *b);
  *state = b;
  b->f = fixture;
  mw_store_close(b->f->store);
  struct mw_err err = MW_ERR_INIT;
  int rc = fixture_open(b->f, map_size, &err);
  if (rc == 0) rc = mw_schema_load(&b->pool, "../proto", &err);
  if (rc == 0) rc = mw_vm_init(&b->vm, &b->f->loop, 64 << 20, &err);
  b->host = (struct mw_host){.loop = &b->f->loop, .store = b->f->store, .workers = workers};
  if (rc == 0) {
    rc = mw_program_new(&b->program, &b->vm, &b->host, b->pool, 1, open_module, mw_bind_close_messages, &err);
  }
  b->file = (struct mw_script_file){"lua/store.lua", "store", mw_slice_str(script)};
  if (rc == 0) rc = mw_program_load(b->program, &b->file, 1, NULL, &err);
  if (rc != 0) print_error("%s\n", mw_err_text(&err));
  mw_err_fini(&err);
  return rc;
}

int binding_teardown(void **state) {
  struct binding *b = *state;
  mw_bind_stop_jobs(b->program, MW_JOBS_ALL);
  mw_bind_retire(b->program);
  mw_vm_fini(&b->vm);
  mw_store_flush(b->f->store);
  mw_pool_unref(b->pool);
  void *fixture = b->f;
  free(b);
  return fixture_teardown(&fixture);
}

void put_raw(struct binding *b, const char *id, const char *bytes) {
  char key[64];
  int len = snprintf(key, sizeof key, "tasks%c%s", 0, id);
  struct mw_store_txn *txn = mw_store_txn_new();
  assert_int_equal(mw_store_txn_put(txn, mw_slice(key, (size_t)len), str(bytes), 0), 0);
  assert_int_equal(commit(b->f->store, &b->f->loop, txn).code, 0);
}

/* ---- fibers ---- */

static void on_done(struct mw_fiber *fiber, void *owner) { ((struct binding *)owner)->ended++; }

static int after_call(lua_State *L, int status, lua_KContext context) {
  struct binding *b = (struct binding *)context;
  b->failed = status != LUA_OK && status != LUA_YIELD;
  b->any_failed |= b->failed;
  if (b->failed) snprintf(b->error, sizeof b->error, "%s", luaL_tolstring(L, -1, NULL));
  return 0;
}

static int run_function(lua_State *L) {
  struct binding *b = lua_touserdata(L, 1);
  lua_rawgeti(L, LUA_REGISTRYINDEX, b->program->modules_ref);
  lua_getfield(L, -1, "store");
  lua_getfield(L, -1, b->function);
  return after_call(L, lua_pcallk(L, 0, 0, 0, (lua_KContext)b, after_call), (lua_KContext)b);
}

struct mw_fiber *start(struct binding *b, const char *function) {
  b->function = function;
  struct mw_fiber *fiber = mw_fiber_new(&b->vm, b->program, on_done, b);
  assert_non_null(fiber);
  mw_fiber_start(fiber, run_function, b);
  return fiber;
}

void push_cancelled(lua_State *L, void *arg) {
  struct mw_status status = mw_status(MW_CODE_CANCELLED, "the client has gone");
  mw_bind_push_status(L, &status);
}

void kill_in(struct binding *b, const char *function) {
  b->ended = 0;
  struct mw_fiber *fiber = start(b, function);
  if (b->ended > 0) fail_msg("%s did not wait: %s", function, b->failed ? b->error : "");
  mw_fiber_kill(fiber, push_cancelled, NULL);
  while (b->ended == 0) mw_loop_run_posts(&b->f->loop);
  assert_true(b->failed);
  assert_string_equal(b->error, "CANCELLED: the client has gone");
  mw_store_flush(b->f->store);
  mw_loop_run_posts(&b->f->loop);
}

void run_to_end(struct binding *b, const char *function) {
  b->ended = 0;
  start(b, function);
  while (b->ended == 0) uv_run(&b->f->loop.uv, UV_RUN_ONCE);
  if (b->failed) fail_msg("%s", b->error);
}
