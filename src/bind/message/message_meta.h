/* The metatables of messages. */
#ifndef MW_BIND_MESSAGE_MESSAGE_META_H
#define MW_BIND_MESSAGE_MESSAGE_META_H

#include "bind/message/message_types.h"

/* message_meta.c: a mw_message_fill_fn for types whose tables have nothing of their own. */
void mw_message_meta_fill(lua_State *L, struct mw_message_state *state, int owner, int atoms);

/* Returns the value that an unset field has in a table of its message, as in memory; NULL for nil. */
const void *mw_message_default(const struct mw_field *field);

/* wellknown_time.c: fills the metatable at the top for Timestamp or Duration. */
void mw_time_meta_fill(lua_State *L, enum mw_wellknown wellknown);

#endif
