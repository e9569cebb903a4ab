/* Status objects: the results of failed functions, and of handlers.
 *
 * A status is a table with the metatable MW_STATUS: `code` (the name), `message`, `details` (a sequence of Any tables,
 * {type_url=, value=}, or nil). Handlers return or raise statuses. Functions of the runtime that fail return nil and a
 * failure: a status with the metatable MW_FAILURE. A handler that raises a failure has not chosen it for its caller. */
#ifndef MW_BIND_BASE_STATUS_H
#define MW_BIND_BASE_STATUS_H

#include "bind/base/bind.h"
#include "rpc/status.h"

#define MW_STATUS "moonwire.Status"
#define MW_FAILURE "moonwire.Failure"

/* Registers the two metatables with these methods. */
void mw_status_open(lua_State *L, const luaL_Reg *methods);

/* True for a status or failure. */
bool mw_status_is(lua_State *L, int index);

/* Raises unless the argument `arg` is one. */
void mw_status_check(lua_State *L, int arg);

/* Pushes the field `name` of the status at `index`, without metamethods. Returns its type. */
int mw_status_get(lua_State *L, int index, const char *name);

/* Replaces its message, at the top, by a status without details. `type` is MW_STATUS or MW_FAILURE. */
void mw_status_push(lua_State *L, const char *type, enum mw_code code);

/* True if the value at `index` is a failure. */
bool mw_bind_is_failure(lua_State *L, int index);

/* Raises the failure at the top, for functions without a second result. If the code is an outcome, such as ABORTED, the
 * call ends with this status. DATA_LOSS, UNAVAILABLE and INTERNAL end it with INTERNAL, as raised failures do. */
int mw_bind_raise_status(lua_State *L);

/* Pushes nil and a failure: `return mw_bind_fail(L, MW_CODE_NOT_FOUND, "...")`. */
int mw_bind_fail(lua_State *L, enum mw_code code, const char *fmt, ...) MW_PRINTF(3, 4);

/* Pushes nil and a failure with the words of `err`, which is freed. */
int mw_bind_fail_err(lua_State *L, enum mw_code code, struct mw_err *err);

#endif
