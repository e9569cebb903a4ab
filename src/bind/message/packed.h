/* Packed messages: a message of a type that stays encoded. Immutable; its bytes are validated when it is made. A view
 * shares the bytes of the packed message that it is a part of. docs/messages.md is the contract. */
#ifndef MW_BIND_MESSAGE_PACKED_H
#define MW_BIND_MESSAGE_PACKED_H

#include "bind/message/message.h"
#include "bind/message/message_types.h"

/* The content of the userdata, which keeps its type and bytes alive. */
struct mw_packed {
  const void *tag;
  struct mw_messages *messages;
  const struct mw_message_type *type;
  struct mw_slice bytes;
};

extern const char mw_packed_tag;

/* The packed message at `index`, of any program; NULL for other values. */
static inline const struct mw_packed *mw_packed_at(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TUSERDATA || lua_rawlen(L, index) < sizeof(struct mw_packed)) return NULL;
  const struct mw_packed *packed = lua_touserdata(L, index);
  return packed->tag == &mw_packed_tag ? packed : NULL;
}

/* An iterator whose messages can be taken as bytes, without a Lua value for each: the beginning of its userdata. */
struct mw_packed_source {
  const void *tag;
  const struct mw_message_type *type; /* of its messages; NULL if they are not packed */
  /* Takes the next message of the iterator at `index`; `bytes` live until the next one is taken or a wait. Returns
   * false at the end; raises failures. */
  bool (*next)(lua_State *L, int index, struct mw_slice *bytes);
};

extern const char mw_packed_source_tag;

/* The source of packed messages at `index`, or NULL. */
static inline struct mw_packed_source *mw_packed_source_at(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TUSERDATA || lua_rawlen(L, index) < sizeof(struct mw_packed_source)) return NULL;
  struct mw_packed_source *source = lua_touserdata(L, index);
  return source->tag == &mw_packed_source_tag && source->type ? source : NULL;
}

/* Checks that `bytes` are a message of the type. Returns the code and the words of mw_message_unpack(). */
int mw_packed_validate(lua_State *L, const struct mw_message_type *type, struct mw_slice bytes, struct mw_err *err);

/* Pushes a copy of `bytes` as a packed message. On failure pushes nothing and returns the code and the words of
 * mw_message_unpack(). Raises for lack of memory. */
int mw_packed_push(lua_State *L, struct mw_program *program, const struct mw_message_type *type, struct mw_slice bytes,
                   struct mw_err *err);

/* True if the option `packed` of the table at `arg`, which may be absent, is true. Raises for another value than a
 * boolean. */
bool mw_packed_option(lua_State *L, int arg, const char *what);

/* Reads the options at 2 of a method whose only one is `packed`. Returns its value. */
bool mw_packed_only_option(lua_State *L, const char *what);

/* The same for a method that returns one message of the type. A message at 2 is ignored: in `for message in
 * call.receive, call do` it is the last result. Hence types whose messages may be any table have no option. */
bool mw_packed_receive_option(lua_State *L, const struct mw_message_type *type, const char *what);

/* Pushes a packed message with room for `len` bytes, which the caller writes: the encoding of a message that is valid.
 * The metatable is at `metatable`. */
uint8_t *mw_packed_push_new(lua_State *L, int metatable, struct mw_messages *messages,
                            const struct mw_message_type *type, size_t len);

/* Checks that a packed message, of any program, is a `type` of this pool. Returns 0; MW_EINVAL with both types if it is
 * of another type; or the codes of mw_packed_validate(). Uses the scratch arena. */
int mw_packed_check(lua_State *L, const struct mw_packed *packed, const struct mw_message_type *type,
                    struct mw_err *err);

/* packed_field.c: makes the metatable of a program's packed messages, and sets messages->packed_ref. The userdata of
 * `messages` is at `owner`. */
void mw_packed_open(lua_State *L, struct mw_messages *messages, int owner);

#endif
