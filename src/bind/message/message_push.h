/* From messages to tables: declarations that the files of this direction share. */
#ifndef MW_BIND_MESSAGE_MESSAGE_PUSH_H
#define MW_BIND_MESSAGE_MESSAGE_PUSH_H

#include "bind/message/message_types.h"

struct mw_pusher {
  lua_State *L;
  struct mw_messages *messages;
  int atoms;      /* stack index of the atoms */
  unsigned steps; /* towards the next check of the budget */
};

/* Each function pushes one value. It raises only for lack of memory and by the budget. */

/* `message` may be NULL for an empty message. */
void mw_push_message(struct mw_pusher *p, const struct mw_message_type *type, const ProtobufCMessage *message);

/* Pushes one value of a field: a singular field, or an element of a repeated one. `slot` is its place in memory. */
void mw_push_element(struct mw_pusher *p, const struct mw_field *field, const void *slot);

/* Push a repeated field as a sequence, a map as a table. `message` may be NULL. */
void mw_push_sequence(struct mw_pusher *p, const struct mw_field *field, const ProtobufCMessage *message);
void mw_push_map(struct mw_pusher *p, const struct mw_field *field, const ProtobufCMessage *message);

enum { MW_FEW_KEYS = 1024 }; /* keys that may all collide: inserting them takes 1 ms */

/* message_keys.c: the number of pairs to create a map's table for, so that its `n` keys do not collide. If there is no
 * such size, raises RESOURCE_EXHAUSTED with the path of the map. */
size_t mw_map_table_size(struct mw_pusher *p, const struct mw_field *field, ProtobufCMessage *const *entries, size_t n);

/* wellknown_push.c: pushes the Lua form of Struct, Value, ListValue and the wrappers. For other types, which are tables
 * of their fields, returns false and pushes nothing. */
bool mw_push_wellknown(struct mw_pusher *p, const struct mw_message_type *type, const ProtobufCMessage *message);

#endif
