/* From messages to tables: what the files of this direction share. */
#ifndef MW_BIND_MESSAGE_PUSH_H
#define MW_BIND_MESSAGE_PUSH_H

#include "bind/message_types.h"

struct mw_pusher {
  lua_State *L;
  struct mw_messages *messages;
  int atoms; /* their stack index */
  unsigned steps; /* towards the next look at the budget */
};

/* Each pushes one value and raises for lack of memory and by the budget alone. */

/* `message` may be NULL: an empty one. */
void mw_push_message(struct mw_pusher *p, const struct mw_message_type *type, const ProtobufCMessage *message);

/* One value of a field, whose place in memory is `slot`: of a singular field, or an element of a repeated one. */
void mw_push_element(struct mw_pusher *p, const struct mw_field *field, const void *slot);

/* A repeated field as a sequence; a map as a table. `message` may be NULL. */
void mw_push_sequence(struct mw_pusher *p, const struct mw_field *field, const ProtobufCMessage *message);
void mw_push_map(struct mw_pusher *p, const struct mw_field *field, const ProtobufCMessage *message);

enum { MW_FEW_KEYS = 1024 }; /* keys that may all collide: inserting them takes a millisecond */

/* message_keys.c: how many pairs the table of a map is made for, so that its `n` keys do not collide. Raises
 * RESOURCE_EXHAUSTED with the path of the map when there is no such size. */
size_t mw_map_table_size(struct mw_pusher *p, const struct mw_field *field, ProtobufCMessage *const *entries,
                         size_t n);

/* wellknown_push.c: pushes the forms of Struct, Value, ListValue and the wrappers; returns false, and pushes nothing,
 * for other types, which are tables of their fields. */
bool mw_push_wellknown(struct mw_pusher *p, const struct mw_message_type *type, const ProtobufCMessage *message);

#endif
