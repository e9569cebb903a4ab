/* Lua functions as the handlers of methods, and the calls that they serve. */
#ifndef MW_BIND_CALL_HANDLER_H
#define MW_BIND_CALL_HANDLER_H

#include "bind/base/bind.h"

/* Runs Lua functions as methods; a route's `arg` is a struct mw_bind_target. */
extern const struct mw_handler mw_bind_handler;

struct mw_bind_target {
  int function;     /* registry reference */
  bool takes_call;  /* it has a parameter for the call object; without one, no object is made */
  const char *path; /* the method's path; lives as long as the Lua state */
  char place[];     /* "lua/tasks.lua:12", where the handler begins; for a method that C handles, its path */
};

/* Serves methods that C handles and interceptors wrap; `arg` as above. */
extern const struct mw_handler mw_bind_builtin_handler;

/* True if a Lua function, the handler or an interceptor, runs the route's calls. */
static inline bool mw_bind_handles(const struct mw_route *route) {
  return route->handler == &mw_bind_handler || route->handler == &mw_bind_builtin_handler;
}

/* The call that L serves, also in coroutines that the handler has made. NULL in jobs, and after the call has ended. */
struct mw_call *mw_bind_current_call(lua_State *L);

/* Writes the place of a call that mw_bind_handler serves: "FILE:LINE" of the Lua code that waits, or words if no Lua
 * code runs. */
void mw_bind_call_place(const struct mw_call *call, char *out, size_t size);

/* Writes the place of a fiber in the same way. */
void mw_bind_fiber_place(const struct mw_fiber *fiber, char *out, size_t size);

/* An outbound call that is made for a served call, and is cancelled with it. */
struct mw_bind_child {
  struct mw_list link;                         /* initialised by the owner, which removes it after the end */
  void (*cancel)(struct mw_bind_child *child); /* runs when the served call is cancelled; runs no Lua */
};

/* Links `child` to the call that L serves, so that it is cancelled with that call. Returns the call, or NULL outside of
 * calls. */
struct mw_call *mw_bind_link_child(lua_State *L, struct mw_bind_child *child);

/* For vm->push_cut: pushes the status with which a cut call or job ends (script/state/budget.h). */
void mw_bind_push_cut(lua_State *L, enum mw_cut why, const char *words, const char *place, const char *traceback);

#endif
