/* Between Lua tables and messages. docs/messages.md is the contract. Call mw_bind_open_message() first. Tables are read
 * and written raw: no metamethod of a script runs. */
#ifndef MW_BIND_MESSAGE_MESSAGE_H
#define MW_BIND_MESSAGE_MESSAGE_H

#include "bind/base/bind.h"
#include "schema/wire/message.h"

/* Pushes `message` as a table; copies everything. Raises for lack of memory and by the budget. Raises
 * RESOURCE_EXHAUSTED with the path of a map whose keys collide in a Lua table of any size. */
void mw_bind_push_message(lua_State *L, struct mw_program *program, const struct mw_message_type *type,
                          const ProtobufCMessage *message);

/* Makes a message from the table at `index`. Borrows strings from Lua: pack the message before the table can change.
 * Raises only for lack of Lua memory and by the budget. Returns 0, MW_EINVAL ("tasks.Task.priority: expected
 * tasks.Priority, got ..."), MW_ELIMIT (nested too deep) or MW_ENOMEM. */
int mw_bind_to_message(lua_State *L, int index, struct mw_program *program, const struct mw_message_type *type,
                       struct mw_arena *arena, ProtobufCMessage **out, struct mw_err *err);

/* The program's type of a message, a table or packed. NULL for other values, and if the program lacks the type. */
const struct mw_message_type *mw_bind_message_type(lua_State *L, int index, struct mw_program *program);

/* The message type with the name in the string argument `arg`. Raises if there is none. */
const struct mw_message_type *mw_bind_check_message_name(lua_State *L, int arg, struct mw_program *program);

/* Releases the objects of mw_bind_open_message(). Messages that scripts still hold stay complete. Never raises. */
void mw_bind_close_messages(struct mw_program *program);

#endif
