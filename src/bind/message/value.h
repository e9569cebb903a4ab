/* Lua values as bytes, to pass them from one worker's state to another's: strings, integers and floats exactly,
 * booleans, messages with their type's name, mw.null, and tables of these. For this process only: the format is not
 * stable. */
#ifndef MW_BIND_MESSAGE_VALUE_H
#define MW_BIND_MESSAGE_VALUE_H

#include "bind/base/bind.h"

enum { MW_VALUE_DEPTH = 64 }; /* limit of nested tables */

/* Encodes the value at `index`. Pushes a userdata that owns the bytes, and returns them. Raises for a value that cannot
 * be sent, with its path: "value.items[3]: a function cannot be sent". */
struct mw_slice mw_value_encode(lua_State *L, int index, struct mw_program *program);

/* Pushes the value that `bytes` encode, with messages as tables or packed. On failure pushes nothing and returns
 * MW_ENOTFOUND (a message type that this program lacks), MW_EFORMAT or MW_ENOMEM. */
int mw_value_push(lua_State *L, struct mw_program *program, struct mw_slice bytes, bool packed, struct mw_err *err);

#endif
