#include <stdio.h>
#include <stdlib.h>

#include "bind/store.h"

#define WAIT "moonwire.StoreWait"

/* Shared by the waiting fiber, through a userdata on its stack, and the operation under way. One thread. */
struct mw_store_wait {
  unsigned refs;
  struct mw_fiber *fiber; /* to be resumed; NULL once nobody waits */
  struct mw_store_result result;
  char text[256]; /* of the result */
};

struct mw_store_wait *mw_store_wait_ref(struct mw_store_wait *wait) {
  wait->refs++;
  return wait;
}

void mw_store_wait_unref(struct mw_store_wait *wait) {
  if (--wait->refs == 0) free(wait);
}

static int l_gc(lua_State *L) {
  struct mw_store_wait **box = luaL_checkudata(L, 1, WAIT);
  if (!*box) return 0;
  (*box)->fiber = NULL;
  mw_store_wait_unref(*box);
  *box = NULL;
  return 0;
}

struct mw_store_wait *mw_store_wait_new(lua_State *L, struct mw_fiber *fiber) {
  static const luaL_Reg metamethods[] = {{"__gc", l_gc}, {NULL, NULL}};
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
  if (fiber) mw_fiber_resume(fiber);
  mw_store_wait_unref(wait);
}

static void forget(void *arg) {
  struct mw_store_wait *wait = arg;
  wait->fiber = NULL;
}

int mw_store_wait_yield(lua_State *L, struct mw_store_wait *wait, lua_KFunction k) {
  return mw_fiber_wait(L, wait->fiber, forget, wait, k, (lua_KContext)wait);
}

int mw_store_wait_commit(lua_State *L, struct mw_store_wait *wait, struct mw_store *store, struct mw_store_txn *txn,
                         lua_KFunction k) {
  mw_store_commit(store, txn, wait->fiber->vm->loop, mw_store_wait_done, mw_store_wait_ref(wait));
  return mw_store_wait_yield(L, wait, k);
}

const struct mw_store_result *mw_store_wait_result(const struct mw_store_wait *wait) { return &wait->result; }
