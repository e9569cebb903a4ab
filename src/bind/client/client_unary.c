/* Outbound calls with one message each way. The caller waits for the reply. With the option `async` it gets an object
 * instead: wait() waits for the reply, and cancel() ends the call. */
#include "bind/base/options.h"
#include "bind/base/status.h"
#include "bind/client/client.h"

#define OUTBOUND "moonwire.Outbound"

static struct mw_outbound *check_call(lua_State *L) { return luaL_checkudata(L, 1, OUTBOUND); }

/* Frees the received data at once, because the collector does not count it. */
static int push_and_drop(lua_State *L, struct mw_outbound *o) {
  int n_results = mw_outbound_push_result(L, o);
  mw_outbound_drop(o);
  return n_results;
}

static int after_call(lua_State *L, int status, lua_KContext context) {
  struct mw_outbound *o = (struct mw_outbound *)context;
  o->reader = NULL;
  return push_and_drop(L, o);
}

/* ---- call:wait() ---- */

enum { RESULTS = 3 }; /* the user value that keeps the results of wait(): reply, status, info */

static int push_stored(lua_State *L) {
  if (lua_getiuservalue(L, 1, RESULTS) != LUA_TTABLE) return 0;
  for (int i = 1; i <= 3; i++) lua_rawgeti(L, -i, i);
  return 3;
}

static int push_and_store(lua_State *L, struct mw_outbound *o) {
  push_and_drop(L, o);
  lua_createtable(L, 3, 0);
  for (int i = 1; i <= 3; i++) {
    lua_pushvalue(L, -5 + i);
    lua_rawseti(L, -2, i);
  }
  lua_setiuservalue(L, 1, RESULTS);
  return 3;
}

/* Another fiber may have stored the results before this one's turn came. */
static int after_wait(lua_State *L, int status, lua_KContext context) {
  struct mw_outbound *o = (struct mw_outbound *)context;
  o->reader = NULL;
  return push_stored(L) ? 3 : push_and_store(L, o);
}

static int l_wait(lua_State *L) {
  struct mw_outbound *o = check_call(L);
  lua_settop(L, 1);
  if (push_stored(L)) return 3;
  if (o->done) return push_and_store(L, o);
  if (o->reader) return luaL_error(L, "call:wait: another fiber waits for this call");
  struct mw_fiber *fiber = mw_fiber_check(L, "call:wait");
  return mw_outbound_wait_done(L, o, fiber, after_wait);
}

/* ---- the rest of the object ---- */

static int l_cancel(lua_State *L) {
  mw_outbound_abandon(check_call(L));
  return 0;
}

static int l_tostring(lua_State *L) {
  struct mw_outbound *o = check_call(L);
  lua_pushfstring(L, "call %s%s", o->method->path, o->done ? " (ended)" : "");
  return 1;
}

static void push_type(lua_State *L) {
  static const luaL_Reg methods[] = {{"wait", l_wait}, {"cancel", l_cancel}, {NULL, NULL}};
  static const luaL_Reg metamethods[] = {
      {"__close", mw_outbound_close}, {"__gc", mw_outbound_gc}, {"__tostring", l_tostring}, {NULL, NULL}};
  mw_bind_push_type(L, OUTBOUND, methods, metamethods);
}

static bool is_async(lua_State *L, int options) {
  if (!lua_istable(L, options)) return false;
  mw_bind_get_option(L, options, "async");
  bool async = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return async;
}

int mw_bind_call_unary(lua_State *L, int index, struct mw_bind_client *client, const struct mw_method_type *method,
                       int request, int options) {
  bool async = is_async(L, options);
  struct mw_fiber *fiber = async ? NULL : mw_fiber_check(L, method->path);
  push_type(L);
  lua_pop(L, 1);
  struct mw_outbound *o = mw_outbound_push(L, index, client, method, OUTBOUND);
  int object = lua_gettop(L);
  struct mw_err err = MW_ERR_INIT;
  int rc = mw_outbound_start(L, o, client, request, options, method->path, &err);
  if (rc != 0) return mw_bind_fail_err(L, mw_code_of_error(rc), &err);
  if (!async) return mw_outbound_wait_done(L, o, fiber, after_call);
  lua_settop(L, object);
  return 1;
}
