/* The openers of the module `moonwire`, and the adoption of a program's states and live modules. */
#include "bind/open.h"

#include "bind/base/bind.h"
#include "bind/base/openers.h"
#include "bind/base/state.h"
#include "bind/live.h"
#include "bind/message/message.h"
#include "script/lua/guard.h"

/* Guards the module table, at the top, and the tables in it. */
static void guard_all(lua_State *L) {
  mw_guard_fields(L, "mw");
  for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
    if (!lua_istable(L, -1)) continue;
    lua_pushfstring(L, "mw.%s", lua_tostring(L, -2));
    lua_pushvalue(L, -2);
    mw_guard_fields(L, lua_tostring(L, -2));
    lua_pop(L, 2);
  }
}

void mw_bind_open(lua_State *L, struct mw_program *program) {
  static void (*const openers[])(lua_State * L, struct mw_program * program) = {
      mw_bind_open_service, mw_bind_open_intercept, mw_bind_open_status, mw_bind_open_message, mw_bind_open_any,
      mw_bind_open_u64,     mw_bind_open_sleep,     mw_bind_open_job,    mw_bind_open_live,    mw_bind_open_topic,
      mw_bind_open_store,   mw_bind_open_client,    mw_bind_open_fs,     mw_bind_open_log,     mw_bind_open_metrics,
      mw_bind_open_json,    mw_bind_open_time,      mw_bind_open_env,    mw_bind_open_host,    mw_bind_open_state,
      mw_bind_open_base64};
  lua_newtable(L);
  for (size_t i = 0; i < sizeof openers / sizeof *openers; i++) openers[i](L, program);
  guard_all(L);
}

int mw_bind_program_new(struct mw_program **out, struct mw_vm *vm, const struct mw_host *host, struct mw_pool *pool,
                        uint64_t generation, struct mw_err *err) {
  int rc = mw_program_new(out, vm, host, pool, generation, mw_bind_open, mw_bind_close_messages, err);
  if (rc != MW_ENOMEM) return rc;
  return mw_err_set(
      err, rc,
      "not enough memory for the schema, which has %zu message types: expected larger limits.memory_bytes, or "
      "fewer types",
      mw_pool_message_count(pool));
}

static int adopt(lua_State *L) {
  struct mw_program *program = lua_touserdata(L, 1);
  mw_bind_adopt_state(L);
  mw_bind_adopt_live(L, program);
  return 0;
}

void mw_bind_program_adopted(struct mw_program *program) {
  struct mw_err err = MW_ERR_INIT;
  int rc = mw_vm_protect(program->vm, adopt, program, &err);
  if (rc != 0)
    mw_log(MW_LOG_ERROR, NULL, "live modules and states stay at the previous generation: %s", mw_err_text(&err));
  mw_err_fini(&err);
}
