#include <stdio.h>
#include <stdlib.h>

#include "bind/base/status.h"
#include "bind/store/store.h"

#define WAIT "moonwire.StoreWait"

/* Shared by the waiting fiber, through a userdata on its stack, and the current operation. One thread. */
struct mw_store_wait {
  unsigned refs;
  struct mw_fiber *fiber; /* the fiber to resume, or NULL */
  struct mw_store_origin origin;
  bool guarded; /* by mw_store_wait_guard() */
  struct mw_store_result result;
  char text[256]; /* the words of the result */
};

struct mw_store_wait *mw_store_wait_ref(struct mw_store_wait *wait) {
  wait->refs++;
  return wait;
}

void mw_store_wait_unref(struct mw_store_wait *wait) {
  if (--wait->refs > 0) return;
  mw_store_origin_clear(&wait->origin);
  free(wait);
}

struct mw_store_wait *mw_store_wait_check(lua_State *L, int index) {
  return *(struct mw_store_wait **)luaL_checkudata(L, index, WAIT);
}

struct mw_store_origin *mw_store_wait_origin(struct mw_store_wait *wait) {
  return &wait->origin;
}

static int l_gc(lua_State *L) {
  struct mw_store_wait **box = luaL_checkudata(L, 1, WAIT);
  if (!*box) return 0;
  (*box)->fiber = NULL;
  mw_store_wait_unref(*box);
  *box = NULL;
  return 0;
}

static int l_close(lua_State *L);

struct mw_store_wait *mw_store_wait_new(lua_State *L, struct mw_fiber *fiber) {
  static const luaL_Reg metamethods[] = {{"__gc", l_gc}, {"__close", l_close}, {NULL, NULL}};
  struct mw_store_wait **box = lua_newuserdatauv(L, sizeof(struct mw_store_wait *), 0);
  *box = NULL;
  mw_bind_push_type(L, WAIT, NULL, metamethods);
  lua_setmetatable(L, -2);
  *box = calloc(1, sizeof **box);
  if (!*box) {
    luaL_error(L, "out of memory");
    return NULL;
  }
  (*box)->refs = 1;
  (*box)->fiber = fiber;
  return *box;
}

void mw_store_wait_done(void *arg, const struct mw_store_result *result) {
  struct mw_store_wait *wait = arg;
  struct mw_fiber *fiber = wait->fiber;
  wait->fiber = NULL;
  snprintf(wait->text, sizeof wait->text, "%s", result->text);
  wait->result = (struct mw_store_result){result->code, result->revision, wait->text};
  if (fiber) mw_fiber_wake(fiber);
  mw_store_wait_unref(wait);
}

static void stop_waiting(void *arg) {
  struct mw_store_wait *wait = arg;
  wait->fiber = NULL;
}

int mw_store_wait_yield(lua_State *L, struct mw_store_wait *wait, lua_KFunction k) {
  return mw_fiber_wait(L, wait->fiber, stop_waiting, wait, k, (lua_KContext)wait);
}

bool mw_store_wait_begin(struct mw_store_wait *wait, struct mw_store *store, struct mw_store_txn *txn) {
  int rc = mw_store_commit(store, txn, wait->fiber->vm->loop, mw_store_wait_done, mw_store_wait_ref(wait));
  if (rc != 0) mw_store_wait_unref(wait);
  return rc == 0;
}

int mw_store_wait_commit(lua_State *L, struct mw_store_wait *wait, struct mw_store *store, struct mw_store_txn *txn,
                         lua_KFunction k) {
  mw_store_wait_begin(wait, store, txn); /* `txn` follows no state: it is always queued */
  return mw_store_wait_yield(L, wait, k);
}

int mw_store_wait_confirm(lua_State *L, struct mw_store_wait *wait, struct mw_store *store, lua_KFunction k) {
  struct mw_store_txn *txn = mw_store_txn_new();
  if (txn && mw_store_txn_await(txn, &wait->origin) == 0) return mw_store_wait_commit(L, wait, store, txn, k);
  mw_store_txn_free(txn);
  return mw_store_fail(L, NULL, MW_ENOMEM, NULL);
}

/* ---- an error that depends on a state that is not durable ---- */

static int after_error(lua_State *L, int status, lua_KContext context) {
  const struct mw_store_result *result = mw_store_wait_result((struct mw_store_wait *)context);
  if (result->code == 0) return 0;
  mw_store_fail(L, NULL, MW_ECONFLICT, "the change was given up, because the change before it was not stored");
  return mw_bind_raise_status(L);
}

/* Stack: 1 the wait, 2 the error or nil. The error of a killed or cut fiber depends on no state. */
static int l_close(lua_State *L) {
  struct mw_store_wait **box = luaL_checkudata(L, 1, WAIT), *wait = *box;
  struct mw_vm *vm = mw_vm_of(L);
  if (lua_isnil(L, 2) || !wait || !wait->fiber || !wait->origin.txn || mw_fiber_is_kill_error(L, 2)) return 0;
  if (vm->running != wait->fiber || vm->unyieldable > 0 || !lua_isyieldable(L)) return 0;
  return mw_store_wait_confirm(L, wait, mw_fiber_program(L)->host->store, after_error);
}

void mw_store_wait_guard(lua_State *L, int index) {
  struct mw_store_wait **box = luaL_checkudata(L, index, WAIT);
  if (!(*box)->origin.txn) return;
  lua_toclose(L, index);
  (*box)->guarded = true;
}

void mw_store_wait_drop(lua_State *L, int index) {
  struct mw_store_wait **box = luaL_testudata(L, index, WAIT);
  if (box && (*box)->guarded) lua_closeslot(L, index);
  lua_settop(L, index - 1);
}

const struct mw_store_result *mw_store_wait_result(const struct mw_store_wait *wait) { return &wait->result; }
