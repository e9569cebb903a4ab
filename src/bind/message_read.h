/* From tables to messages: what the files of this direction share.
 *
 * Nothing here raises except for lack of Lua memory and by the budget, and no C memory but the arena is held meanwhile. A failure leaves
 * the Lua stack as it is then: mw_bind_to_message() clears it. */
#ifndef MW_BIND_MESSAGE_READ_H
#define MW_BIND_MESSAGE_READ_H

#include "bind/message_error.h"

struct mw_reader {
  lua_State *L;
  struct mw_messages *messages;
  struct mw_arena *arena;
  struct mw_err *err;
  int depth; /* messages around the one being read */
  unsigned steps; /* towards the next look at the budget */
};

/* Each returns 0, or an error with the path. Stack indices are absolute. */

int mw_read_message(struct mw_reader *r, int at, const struct mw_message_type *type, const struct mw_path *path,
                    ProtobufCMessage **out);

/* The fields of a table, whatever other forms the type may have. */
int mw_read_fields(struct mw_reader *r, int at, const struct mw_message_type *type, const struct mw_path *path,
                   ProtobufCMessage **out);

/* A singular field: value, and that it is set. `whole` is the path of the message. */
int mw_read_singular(struct mw_reader *r, int at, const struct mw_field *field, const struct mw_path *whole,
                     ProtobufCMessage *message);

int mw_read_sequence(struct mw_reader *r, int at, const struct mw_field *field, const struct mw_path *path,
                     ProtobufCMessage *message);
int mw_read_map(struct mw_reader *r, int at, const struct mw_field *field, const struct mw_path *path,
                ProtobufCMessage *message);

/* message_scalar.c: a value of any kind but MESSAGE into its place in memory, `slot`. */
int mw_read_scalar(struct mw_reader *r, int at, const struct mw_field *field, const struct mw_path *path, void *slot);

/* wellknown_read.c: the types that are not, or not only, tables of their fields. */
int mw_read_wellknown(struct mw_reader *r, int at, const struct mw_message_type *type, const struct mw_path *path,
                      ProtobufCMessage **out);

/* An empty message, or MW_ENOMEM or MW_ELIMIT with the path. */
int mw_read_new(struct mw_reader *r, const struct mw_message_type *type, const struct mw_path *path,
                ProtobufCMessage **out);

/* The error of an arena that gave nothing. */
int mw_read_no_memory(struct mw_reader *r, const struct mw_path *path);

/* Counts bytes that the message borrows from Lua towards the arena's budget: one string may be in it many times. */
static inline int mw_read_charge(struct mw_reader *r, size_t len, const struct mw_path *path) {
  return mw_arena_charge(r->arena, len) ? 0 : mw_read_no_memory(r, path);
}

#endif
