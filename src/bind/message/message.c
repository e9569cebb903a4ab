/* mw.type, mw.message, mw.enum, mw.null, mw.array, and messages from bytes. */
#include "bind/message/message.h"

#include "base/text.h"
#include "bind/base/openers.h"
#include "bind/base/options.h"
#include "bind/message/encode.h"
#include "bind/message/marker.h"
#include "bind/message/message_meta.h"
#include "bind/message/packed.h"

/* ---- for the other bindings ---- */

const struct mw_message_type *mw_bind_message_type(lua_State *L, int index, struct mw_program *program) {
  luaL_checkstack(L, 2, NULL);
  const struct mw_packed *packed = mw_packed_at(L, index);
  const struct mw_message_state *state = packed ? NULL : mw_message_state_at(L, index);
  if (!packed && !state) return NULL;
  const struct mw_message_type *type = packed ? packed->type : state->type;
  bool own = (packed ? packed->messages : state->owner) == program->messages;
  return own ? type : mw_pool_message(program->pool, type->full_name);
}

/* ---- the module ---- */

/* mw.type(value): returns the full name of a message's type, or nil for other values. */
static int l_type(lua_State *L) {
  luaL_checkany(L, 1);
  const struct mw_message_state *state = mw_message_state_at(L, 1);
  const struct mw_packed *packed = mw_packed_at(L, 1);
  if (state || packed) {
    lua_pushstring(L, state ? state->type->full_name : packed->type->full_name);
  } else {
    lua_pushnil(L);
  }
  return 1;
}

static const char *name_of_message(const void *ctx, size_t i) {
  const struct mw_message_type *type = mw_pool_message_at(ctx, i);
  return type->map_entry ? NULL : type->full_name;
}

const struct mw_message_type *mw_bind_check_message_name(lua_State *L, int arg, struct mw_program *program) {
  const char *name = mw_bind_check_name(L, arg);
  const struct mw_message_type *type = mw_pool_message(program->pool, name);
  if (type) return type;
  const char *nearest = mw_nearest(name, mw_pool_message_count(program->pool), name_of_message, program->pool);
  const char *text = nearest ? lua_pushfstring(L, "no message type \"%s\" in the schema (did you mean \"%s\"?)", name,
                                               nearest)
                             : lua_pushfstring(L, "no message type \"%s\" in the schema", name);
  luaL_argerror(L, arg, text);
  return NULL;
}

/* mw.message(type_name, value): returns a message with the value's fields. The value is checked as for sending. */
static int l_message(lua_State *L) {
  struct mw_program *program = mw_bind_program(L);
  const struct mw_message_type *type = mw_bind_check_message_name(L, 1, program);
  struct mw_err err = MW_ERR_INIT;
  ProtobufCMessage *message;
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  if (mw_bind_to_message(L, 2, program, type, mw_vm_scratch(program->vm), &message, &err) != 0) {
    return mw_bind_raise_err(L, &err);
  }
  mw_bind_push_message(L, program, type, message);
  return 1;
}

/* mw.pack(type_name, value): returns the value, a table or a packed message, as a packed message. */
static int l_pack(lua_State *L) {
  struct mw_program *program = mw_bind_program(L);
  const struct mw_message_type *type = mw_bind_check_message_name(L, 1, program);
  struct mw_err err = MW_ERR_INIT;
  struct mw_encoded encoded;
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  const struct mw_packed *packed = mw_packed_at(L, 2);
  if (packed && packed->type == type) return 1;
  lua_rawgeti(L, LUA_REGISTRYINDEX, mw_messages_of(program)->packed_ref);
  if (mw_bind_encode(L, 2, program, type, &encoded, &err) != 0) return mw_bind_raise_err(L, &err);
  mw_encoded_write(&encoded, mw_packed_push_new(L, 3, mw_messages_of(program), type, encoded.size));
  return 1;
}

static const char *name_of_enum(const void *ctx, size_t i) { return mw_pool_enum_at(ctx, i)->full_name; }

/* mw.enum(type_name): returns a table from names to numbers and from numbers to names. A number with aliases maps to
 * the first name. */
static int l_enum(lua_State *L) {
  const struct mw_pool *pool = mw_bind_program(L)->pool;
  const char *name = mw_bind_check_name(L, 1);
  const struct mw_enum_type *type = mw_pool_enum(pool, name);
  if (!type) {
    const char *nearest = mw_nearest(name, mw_pool_enum_count(pool), name_of_enum, pool);
    return luaL_argerror(
        L, 1,
        lua_pushfstring(
            L, nearest ? "no enum \"%s\" in the schema (did you mean \"%s\"?)" : "no enum \"%s\" in the schema", name,
            nearest));
  }
  lua_createtable(L, 0, (int)(type->n_values + type->n_numbers));
  for (size_t i = 0; i < type->n_values; i++) {
    lua_pushinteger(L, type->values[i].number);
    lua_setfield(L, -2, type->values[i].name);
  }
  for (size_t i = 0; i < type->n_numbers; i++) {
    lua_pushstring(L, type->by_number[i]->name);
    lua_rawseti(L, -2, type->by_number[i]->number);
  }
  return 1;
}

/* mw.array([table]): marks the table as a list, where a list and an object look alike, and returns it. */
static int l_array(lua_State *L) {
  lua_settop(L, 1);
  if (lua_isnil(L, 1)) {
    lua_newtable(L);
  } else {
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argcheck(L, mw_bind_is_array(L, 1) || !lua_getmetatable(L, 1), 1, "the table has a metatable already");
  }
  mw_bind_mark_array(L);
  return 1;
}

static void fill_metatable(lua_State *L, struct mw_message_state *state, int owner, int atoms) {
  enum mw_wellknown wellknown = state->type->wellknown;
  if (wellknown == MW_WKT_TIMESTAMP || wellknown == MW_WKT_DURATION) {
    mw_time_meta_fill(L, wellknown);
  } else {
    mw_message_meta_fill(L, state, owner, atoms);
  }
}

void mw_bind_open_message(lua_State *L, struct mw_program *program) {
  static const luaL_Reg functions[] = {{"type", l_type}, {"message", l_message}, {"pack", l_pack},
                                       {"enum", l_enum}, {"array", l_array},     {NULL, NULL}};
  luaL_checkstack(L, 20, NULL);
  mw_marker_open(L);
  mw_messages_open(L, program, fill_metatable);
  mw_packed_open(L, mw_messages_of(program), lua_gettop(L));
  lua_pop(L, 1);
  mw_bind_functions(L, program, functions);
  mw_bind_push_null(L);
  lua_setfield(L, -2, "null");
}
