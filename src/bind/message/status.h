/* Statuses with details, which are messages; bind/base/status.h has the rest. */
#ifndef MW_BIND_MESSAGE_STATUS_H
#define MW_BIND_MESSAGE_STATUS_H

#include "bind/base/status.h"

/* Pushes a status object: code (its name), message, and details if there are any. The status is the call's own or the
 * handler's choice: a handler that raises it ends the call with this status. */
void mw_bind_push_status(lua_State *L, const struct mw_status *status);

/* Pushes a failure: the status of a function that a script has called, such as an outbound call. A handler that raises
 * it ends its call with INTERNAL. */
void mw_bind_push_failure(lua_State *L, const struct mw_status *status);

/* Reads the status object at `index` into a view, which is valid while the object stays on the stack. Returns false if
 * the value is no status object. */
bool mw_bind_to_status(lua_State *L, int index, struct mw_status *out);

#endif
