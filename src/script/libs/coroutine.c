/* Coroutines that scripts make inside a fiber.
 *
 * When code in such a coroutine waits (mw.sleep, a store write), the coroutine yields as for coroutine.yield(). The
 * functions here distinguish the two by fiber->waiting. For a wait they yield in turn, so that the chain of coroutines
 * suspends up to the fiber. When the fiber goes on, each level resumes the next inner one. No other code may resume or
 * close a coroutine of the chain meanwhile, because the pending operation holds pointers into its stack. */
#include <lauxlib.h>

#include "script/libs/libs.h"
#include "script/state/fiber.h"

static bool fiber_waits(lua_State *L) {
  struct mw_fiber *fiber = mw_vm_of(L)->running;
  return fiber && fiber->waiting;
}

/* True for the body of a fiber. To its script it is like the main thread of standard Lua. */
static bool is_body(lua_State *L) {
  struct mw_fiber *fiber = mw_vm_of(L)->running;
  return fiber && fiber->L == L;
}

static int l_yield(lua_State *L) {
  if (is_body(L)) return luaL_error(L, "attempt to yield from outside a coroutine");
  return lua_yield(L, lua_gettop(L));
}

/* True if `co` is suspended by a wait, and not by l_yield(). */
static bool is_waiting(lua_State *co) {
  lua_Debug info;
  if (lua_status(co) != LUA_YIELD || !lua_getstack(co, 0, &info)) return false;
  lua_getinfo(co, "f", &info);
  bool waiting = lua_tocfunction(co, -1) != l_yield;
  lua_pop(co, 1);
  return waiting;
}

/* Resumes `inside` with the n values on top of its stack. Returns as lua_resume() does; the results are on the stack of
 * `inside`. If the C stack has no room for a coroutine whose wait has ended, the wait continues. */
static int resume_inside(lua_State *L, lua_State *inside, int n, int *n_results) {
  struct mw_vm *vm = mw_vm_of(L);
  int bound = !lua_isyieldable(L); /* a wait in there could not suspend L */
  lua_State *outside = vm->current;
  vm->unyieldable += bound;
  vm->current = inside;
  int rc = lua_resume(inside, L, n, n_results);
  vm->current = outside;
  vm->unyieldable -= bound;
  if (rc == LUA_OK || rc == LUA_YIELD || !is_waiting(inside)) return rc;
  lua_pop(inside, 1); /* "C stack overflow", which leaves a coroutine unchanged */
  vm->running->waiting = vm->running->refused = true;
  return LUA_YIELD;
}

/* Moves `n` values between the stacks of two threads. Without room, leaves a message in `to` and returns false. */
static bool move(lua_State *from, lua_State *to, int n) {
  if (!lua_checkstack(to, n + 2)) {
    lua_pop(from, n);
    lua_pushliteral(to, "too many arguments or results for a coroutine");
    return false;
  }
  lua_xmove(from, to, n);
  return true;
}

/* Takes the results of lua_resume(). Returns the number of results on L, or -1 with the error on top of L. */
static int deliver(lua_State *L, lua_State *inside, int rc, int n_results) {
  if (rc == LUA_OK || rc == LUA_YIELD) return move(inside, L, n_results) ? n_results : -1;
  lua_xmove(inside, L, 1);
  return -1;
}

/* ---- coroutine.resume ---- */

static int after_resume(lua_State *L, int status, lua_KContext context);

static int go_on_resume(lua_State *L, lua_State *inside, int n) {
  int n_results = 0;
  int rc = resume_inside(L, inside, n, &n_results);
  if (rc == LUA_YIELD && fiber_waits(L)) return lua_yieldk(L, 0, (lua_KContext)inside, after_resume);
  int delivered = deliver(L, inside, rc, n_results);
  if (delivered < 0 && (mw_budget_settle(L, rc) || mw_fiber_is_kill_error(L, -1))) return lua_error(L);
  int count = delivered < 0 ? 1 : delivered;
  lua_pushboolean(L, delivered >= 0);
  lua_insert(L, -(count + 1));
  return count + 1;
}

static int after_resume(lua_State *L, int status, lua_KContext context) {
  return go_on_resume(L, (lua_State *)context, 0);
}

static lua_State *check_thread(lua_State *L) {
  lua_State *inside = lua_tothread(L, 1);
  luaL_argexpected(L, inside, 1, "coroutine");
  return inside;
}

static int l_resume(lua_State *L) {
  lua_State *inside = check_thread(L);
  int n = lua_gettop(L) - 1;
  if (is_waiting(inside)) {
    lua_pushboolean(L, 0);
    lua_pushliteral(L, "cannot resume a coroutine that waits");
    return 2;
  }
  if (!move(L, inside, n)) {
    lua_pushboolean(L, 0);
    lua_xmove(inside, L, 1);
    return 2;
  }
  return go_on_resume(L, inside, n);
}

/* ---- coroutine.wrap ---- */

/* Closes a coroutine that has failed. Its `<close>` handlers run and cannot wait; their error replaces the one at the
 * top of L. After a hard cut they do not run. */
static void close_failed(lua_State *L, lua_State *inside) {
  struct mw_vm *vm = mw_vm_of(L);
  lua_State *outside = vm->current;
  int status = lua_status(inside);
  if (status == LUA_OK || status == LUA_YIELD || (vm->account && vm->account->hard)) return;
  vm->current = inside;
  lua_resetthread(inside);
  vm->current = outside;
  lua_pop(L, 1);
  lua_xmove(inside, L, 1);
}

static int after_wrap(lua_State *L, int status, lua_KContext context);

static int go_on_wrap(lua_State *L, lua_State *inside, int n) {
  int n_results = 0;
  int rc = resume_inside(L, inside, n, &n_results);
  if (rc == LUA_YIELD && fiber_waits(L)) return lua_yieldk(L, 0, (lua_KContext)inside, after_wrap);
  int delivered = deliver(L, inside, rc, n_results);
  if (delivered >= 0) return delivered;
  close_failed(L, inside);
  if (mw_budget_settle(L, rc)) return lua_error(L);
  if (rc != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) { /* add the place where the wrapped coroutine was called */
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

static int after_wrap(lua_State *L, int status, lua_KContext context) { return go_on_wrap(L, (lua_State *)context, 0); }

static int call_wrapped(lua_State *L) {
  lua_State *inside = lua_tothread(L, lua_upvalueindex(1));
  int n = lua_gettop(L);
  if (is_waiting(inside)) return luaL_error(L, "cannot resume a coroutine that waits");
  if (!move(L, inside, n)) {
    lua_xmove(inside, L, 1);
    return lua_error(L);
  }
  return go_on_wrap(L, inside, n);
}

static int l_create(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State *inside = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, inside, 1);
  return 1;
}

static int l_wrap(lua_State *L) {
  l_create(L);
  lua_pushcclosure(L, call_wrapped, 1);
  return 1;
}

/* ---- coroutine.close ---- */

/* Upvalue: Lua's own function. It runs `<close>` handlers in the coroutine. */
static int l_close(lua_State *L) {
  struct mw_vm *vm = mw_vm_of(L);
  lua_State *inside = check_thread(L), *outside = vm->current;
  if (is_waiting(inside)) return luaL_error(L, "cannot close a coroutine that waits");
  lua_settop(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  vm->current = inside;
  int rc = lua_pcall(L, 1, LUA_MULTRET, 0);
  vm->current = outside;
  if (rc != LUA_OK) return lua_error(L);
  if (!lua_toboolean(L, 1) && mw_budget_settle(L, LUA_OK)) return lua_error(L);
  return lua_gettop(L);
}

/* ---- coroutine.running, coroutine.isyieldable ---- */

static int l_running(lua_State *L) {
  bool main = lua_pushthread(L);
  lua_pushboolean(L, main || is_body(L));
  return 2;
}

static int l_isyieldable(lua_State *L) {
  lua_State *co = lua_isthread(L, 1) ? lua_tothread(L, 1) : L;
  lua_pushboolean(L, lua_isyieldable(co) && !is_body(co));
  return 1;
}

void mw_libs_replace_coroutine(lua_State *L) {
  static const luaL_Reg functions[] = {{"create", l_create}, {"resume", l_resume},   {"wrap", l_wrap},
                                       {"yield", l_yield},   {"running", l_running}, {"isyieldable", l_isyieldable},
                                       {NULL, NULL}};
  lua_getglobal(L, "coroutine");
  luaL_setfuncs(L, functions, 0);
  lua_getfield(L, -1, "close");
  lua_pushcclosure(L, l_close, 1);
  lua_setfield(L, -2, "close");
  lua_pop(L, 1);
}
