/* Encoded messages to Lua values. */
#ifndef MW_BIND_MESSAGE_DECODE_H
#define MW_BIND_MESSAGE_DECODE_H

#include "bind/base/bind.h"

/* Unpacks bytes with the vm's scratch arena and pushes the table. On failure returns the error and pushes nothing. */
int mw_bind_push_bytes(lua_State *L, struct mw_program *program, const struct mw_message_type *type,
                       struct mw_slice bytes, struct mw_err *err);

/* Pushes the message in `bytes` as a table, or packed. Fails as mw_bind_push_bytes(). */
int mw_bind_decode(lua_State *L, struct mw_program *program, const struct mw_message_type *type, struct mw_slice bytes,
                   bool packed, struct mw_err *err);

#endif
