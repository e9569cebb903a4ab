/* The call that runs, its object, and waits on it. */
#include <stdio.h>

#include "bind/base/status.h"
#include "bind/call/call.h"
#include "bind/call/handler.h"
#include "bind/message/status.h"
#include "script/lua/traceback.h"

struct mw_bind_call *mw_bind_running(lua_State *L) {
  struct mw_fiber *fiber = mw_vm_of(L)->running;
  return fiber && fiber->owner && fiber->kind == MW_FIBER_CALL ? fiber->owner : NULL;
}

void mw_bind_fiber_place(const struct mw_fiber *fiber, char *out, size_t size) {
  if (!fiber->waiting || (!mw_place_find(fiber->innermost, out, size) && !mw_place_find(fiber->L, out, size))) {
    snprintf(out, size, "(no Lua code)");
  }
}

void mw_bind_call_place(const struct mw_call *call, char *out, size_t size) {
  const struct mw_bind_call *c = call->state;
  const struct mw_fiber *fiber = c ? c->fiber : NULL;
  if (fiber) {
    mw_bind_fiber_place(fiber, out, size);
  } else {
    snprintf(out, size, "(its request)");
  }
}

struct mw_call *mw_bind_current_call(lua_State *L) {
  struct mw_bind_call *c = mw_bind_running(L);
  return c ? c->call : NULL;
}

struct mw_call *mw_bind_link_child(lua_State *L, struct mw_bind_child *child) {
  struct mw_bind_call *c = mw_bind_running(L);
  if (!c) return NULL;
  mw_list_push(&c->children, &child->link);
  return c->call;
}

const char *mw_bind_call_trace_id(struct mw_bind_call *c, bool own) {
  if (c->trace_id[0]) return c->trace_id;
  const struct mw_slice *header = mw_metadata_get(&c->call->request, "traceparent");
  if (header && mw_trace_read_id(*header, c->trace_id)) return c->trace_id;
  if (!own) return NULL;
  mw_trace_new_id(c->trace_id);
  return c->trace_id;
}

/* ---- the call object ---- */

/* The fast path is the object of the call whose handler runs, which is nearly always the one. */
struct mw_bind_object *mw_bind_check_object(lua_State *L) {
  const struct mw_bind_call *c = mw_bind_running(L);
  if (c && c->object && lua_touserdata(L, 1) == c->object) return c->object;
  return (struct mw_bind_object *)mw_bind_check_self(L, MW_BIND_CALL);
}

int mw_bind_fail_ended(lua_State *L, struct mw_bind_call *c) {
  if (!c) return mw_bind_fail(L, MW_CODE_CANCELLED, "the call has ended");
  lua_pushnil(L);
  mw_bind_push_status(L, &c->end);
  return 2;
}

/* ---- waits ---- */

struct mw_bind_waiter *mw_bind_push_waiter(lua_State *L, struct mw_bind_call *c, struct mw_fiber *fiber) {
  struct mw_bind_waiter *waiter = lua_newuserdatauv(L, sizeof *waiter, 0);
  *waiter = (struct mw_bind_waiter){.call = c, .fiber = fiber};
  mw_list_init(&waiter->link);
  return waiter;
}

void mw_bind_stop_sending(void *arg) {
  struct mw_bind_waiter *waiter = arg;
  mw_list_remove(&waiter->link);
}

void mw_bind_stop_quietly(void *arg) {
  struct mw_bind_waiter *waiter = arg;
  mw_list_remove(&waiter->link);
  if (waiter->call) mw_list_push(&waiter->call->resuming, &waiter->link);
}

int mw_bind_wait(lua_State *L, struct mw_bind_waiter *waiter, void (*cancel)(void *arg), void (*cancel_own)(void *arg),
                 lua_KFunction k) {
  struct mw_fiber *fiber = waiter->fiber;
  if (waiter->call->fiber != fiber) return mw_fiber_wait(L, fiber, cancel, waiter, k, (lua_KContext)waiter);
  return mw_fiber_wait_quietly(L, fiber, cancel_own, waiter, k, (lua_KContext)waiter);
}
