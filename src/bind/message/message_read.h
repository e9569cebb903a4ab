/* From tables to messages: declarations that the files of this direction share.
 *
 * The functions raise only for lack of Lua memory and by the budget, and hold no C memory but the arena meanwhile. A
 * failure leaves values on the Lua stack, which mw_bind_to_message() removes. */
#ifndef MW_BIND_MESSAGE_MESSAGE_READ_H
#define MW_BIND_MESSAGE_MESSAGE_READ_H

#include "bind/message/message_error.h"

struct mw_reader {
  lua_State *L;
  struct mw_messages *messages;
  struct mw_arena *arena;
  struct mw_err *err;
  int depth;      /* depth of the message that is being read */
  unsigned steps; /* towards the next check of the budget */
};

/* Each function returns 0, or an error with the path. Stack indices are absolute. */

int mw_read_message(struct mw_reader *r, int at, const struct mw_message_type *type, const struct mw_path *path,
                    ProtobufCMessage **out);

/* Reads the fields of a table. Ignores other forms of the type. */
int mw_read_fields(struct mw_reader *r, int at, const struct mw_message_type *type, const struct mw_path *path,
                   ProtobufCMessage **out);

/* Reads a singular field and marks it as set. `message_path` is the path of the message. */
int mw_read_singular(struct mw_reader *r, int at, const struct mw_field *field, const struct mw_path *message_path,
                     ProtobufCMessage *message);

int mw_read_sequence(struct mw_reader *r, int at, const struct mw_field *field, const struct mw_path *path,
                     ProtobufCMessage *message);
int mw_read_map(struct mw_reader *r, int at, const struct mw_field *field, const struct mw_path *path,
                ProtobufCMessage *message);

/* message_scalar.c: reads a value of any kind except MESSAGE into its place in memory, `slot`. */
int mw_read_scalar(struct mw_reader *r, int at, const struct mw_field *field, const struct mw_path *path, void *slot);

/* wellknown_read.c: reads the types that have other forms than a table of their fields. */
int mw_read_wellknown(struct mw_reader *r, int at, const struct mw_message_type *type, const struct mw_path *path,
                      ProtobufCMessage **out);

/* Makes an empty message. Returns MW_ENOMEM or MW_ELIMIT with the path. */
int mw_read_new(struct mw_reader *r, const struct mw_message_type *type, const struct mw_path *path,
                ProtobufCMessage **out);

/* Returns the error of an arena whose allocation failed. */
int mw_read_no_memory(struct mw_reader *r, const struct mw_path *path);

/* Counts bytes that the message borrows from Lua towards the arena's budget, because a message may contain one string
 * many times. */
static inline int mw_read_charge(struct mw_reader *r, size_t len, const struct mw_path *path) {
  return mw_arena_charge(r->arena, len) ? 0 : mw_read_no_memory(r, path);
}

#endif
