/* The metamethods of packed messages: m.field, m:unpack(), ==, #, tostring. */
#include <string.h>

#include "base/text.h"
#include "bind/base/status.h"
#include "bind/message/message_meta.h"
#include "bind/message/message_push.h"
#include "bind/message/packed.h"
#include "schema/wire/field.h"

static const struct mw_packed *check_packed(lua_State *L, int arg) {
  const struct mw_packed *packed = mw_packed_at(L, arg);
  luaL_argexpected(L, packed, arg, "packed message");
  return packed;
}

/* Pushes the atoms, and returns what pushes values with them. */
static struct mw_pusher begin_push(lua_State *L, const struct mw_packed *packed) {
  luaL_checkstack(L, 8, NULL);
  lua_getiuservalue(L, lua_upvalueindex(1), 1);
  return (struct mw_pusher){.L = L, .messages = packed->messages, .atoms = lua_gettop(L)};
}

/* Unpacks `bytes` into the scratch arena. Raises if the message needs more memory than a message may have. */
static const ProtobufCMessage *unpack(lua_State *L, const struct mw_message_type *type, struct mw_slice bytes) {
  struct mw_err err = MW_ERR_INIT;
  ProtobufCMessage *message;
  int rc = mw_message_view(type, bytes, mw_vm_scratch(mw_vm_of(L)), &message, &err);
  if (rc == 0) return message;
  if (rc == MW_ENOMEM) {
    mw_bind_raise_err(L, &err);
  } else {
    mw_bind_fail_err(L, mw_code_of_error(rc), &err);
    mw_bind_raise_status(L);
  }
  return NULL;
}

/* ---- fields ---- */

/* Only enums need the atoms. */
static void push_scalar(struct mw_pusher *p, const struct mw_packed *packed, const struct mw_field *field) {
  struct mw_wire_field f;
  union {
    uint64_t number;
    ProtobufCBinaryData text;
  } slot;
  const void *value = &slot;
  if (mw_wire_find(packed->type, field, packed->bytes, &f)) {
    mw_wire_decode(field->kind, &f, &slot);
  } else {
    value = mw_message_default(field);
  }
  if (value) {
    mw_push_element(p, field, value);
  } else {
    lua_pushnil(p->L);
  }
}

/* Pushes a view of `bytes`, a part of the packed message at 1. */
static void push_view(lua_State *L, const struct mw_packed *packed, const struct mw_message_type *type,
                      struct mw_slice bytes) {
  struct mw_packed *view = lua_newuserdatauv(L, sizeof *view, 1);
  *view = (struct mw_packed){&mw_packed_tag, packed->messages, type, bytes};
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  lua_getmetatable(L, 1);
  lua_setmetatable(L, -2);
}

/* Pushes a singular message: well-known types in their Lua form, others packed. */
static void push_message(struct mw_pusher *p, const struct mw_packed *packed, const struct mw_field *field) {
  lua_State *L = p->L;
  struct mw_wire_parts parts = mw_wire_find_message(packed->type, field, packed->bytes);
  struct mw_slice bytes = parts.last;
  if (parts.count == 0) {
    lua_pushnil(L);
    return;
  }
  if (parts.count > 1) {
    lua_getmetatable(L, 1);
    uint8_t *joined = mw_packed_push_new(L, lua_gettop(L), packed->messages, field->message, parts.size);
    mw_wire_join(&parts, field, joined);
    if (field->message->wellknown == MW_WKT_NONE) return;
    bytes = mw_slice(joined, parts.size);
  }
  if (field->message->wellknown != MW_WKT_NONE) {
    mw_push_message(p, field->message, unpack(L, field->message, bytes));
  } else {
    push_view(L, packed, field->message, bytes);
  }
}

/* Pushes a sequence of packed messages. */
static void push_messages(struct mw_pusher *p, const struct mw_packed *packed, const struct mw_field *field) {
  lua_Integer n = 0;
  struct mw_slice bytes = packed->bytes;
  struct mw_wire_field f;
  lua_newtable(p->L);
  while (mw_wire_take(&bytes, MW_MESSAGE_DEPTH, &f)) {
    mw_budget_tick(p->L, &p->steps);
    if (f.number != field->number || f.wire != MW_WIRE_LEN) continue;
    push_view(p->L, packed, field->message, mw_wire_value(&f));
    lua_rawseti(p->L, -2, ++n);
  }
}

static void push_field(lua_State *L, const struct mw_packed *packed, const struct mw_field *field) {
  unsigned steps = 0;
  mw_budget_bytes(L, &steps, packed->bytes.len);
  if (!field->repeated && !field->message && !field->enumeration) {
    struct mw_pusher plain = {.L = L, .messages = packed->messages};
    push_scalar(&plain, packed, field);
    return;
  }
  struct mw_pusher p = begin_push(L, packed);
  if (field->map) {
    mw_push_map(&p, field, unpack(L, packed->type, packed->bytes));
  } else if (field->repeated && field->message && field->message->wellknown == MW_WKT_NONE) {
    push_messages(&p, packed, field);
  } else if (field->repeated) {
    mw_push_sequence(&p, field, unpack(L, packed->type, packed->bytes));
  } else if (field->message) {
    push_message(&p, packed, field);
  } else {
    push_scalar(&p, packed, field);
  }
}

static const char *name_of_field(const void *ctx, size_t i) {
  const struct mw_message_type *type = ctx;
  return type->fields[i].name;
}

static int fail_unknown(lua_State *L, const struct mw_packed *packed) {
  const struct mw_message_type *type = packed->type;
  if (lua_type(L, 2) != LUA_TSTRING) {
    return luaL_error(L, "%s: a packed message has fields alone, no key of type %s", type->full_name,
                      luaL_typename(L, 2));
  }
  const char *name = lua_tostring(L, 2);
  const char *nearest = mw_nearest(name, type->n_fields, name_of_field, type);
  if (nearest) return luaL_error(L, "%s has no field %s (did you mean \"%s\"?)", type->full_name, name, nearest);
  return luaL_error(L, "%s has no field %s", type->full_name, name);
}

/* Pushes the name of the set member of a oneof, if the key at 2 is the name of one. */
static bool push_oneof(lua_State *L, const struct mw_packed *packed) {
  const struct mw_message_type *type = packed->type;
  for (size_t i = 0; i < type->n_oneofs; i++) {
    if (lua_type(L, 2) != LUA_TSTRING || strcmp(type->oneofs[i].name, lua_tostring(L, 2)) != 0) continue;
    const struct mw_field *set = mw_wire_set_member(type, &type->oneofs[i], packed->bytes);
    lua_pushstring(L, set ? set->name : NULL);
    return true;
  }
  return false;
}

static int l_index(lua_State *L) {
  const struct mw_packed *packed = check_packed(L, 1);
  const struct mw_message_state *state = &packed->messages->types[packed->type->index];
  int position = mw_name_index_find(&state->names, lua_topointer(L, 2));
  if (position >= 0 && position != state->unpack) {
    push_field(L, packed, &packed->type->fields[position]);
    return 1;
  }
  lua_settop(L, 2);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL) return 1; /* a method */
  if (lua_type(L, 2) == LUA_TSTRING) {                          /* a long string has many addresses */
    size_t len;
    const char *name = lua_tolstring(L, 2, &len);
    const struct mw_field *field = mw_field_by_name(packed->type, mw_slice(name, len));
    if (field) return push_field(L, packed, field), 1;
  }
  return push_oneof(L, packed) ? 1 : fail_unknown(L, packed);
}

static int l_newindex(lua_State *L) {
  return luaL_error(L, "%s: a packed message cannot be changed: change the table that m:unpack() returns",
                    check_packed(L, 1)->type->full_name);
}

/* ---- the whole message ---- */

/* m:unpack() */
static int l_unpack(lua_State *L) {
  const struct mw_packed *packed = check_packed(L, 1);
  lua_settop(L, 1);
  lua_getmetatable(L, 1);
  lua_pushliteral(L, "__index");
  lua_rawget(L, -2);
  lua_getupvalue(L, -1, 1); /* the owner of the type's state */
  lua_getiuservalue(L, -1, 1);
  luaL_checkstack(L, 8, NULL);
  struct mw_pusher p = {.L = L, .messages = packed->messages, .atoms = lua_gettop(L)};
  mw_push_message(&p, packed->type, unpack(L, packed->type, packed->bytes));
  return 1;
}

static int l_tostring(lua_State *L) {
  l_unpack(L);
  luaL_tolstring(L, -1, NULL);
  return 1;
}

static int l_len(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check_packed(L, 1)->bytes.len);
  return 1;
}

/* Equal bytes of one type. */
static int l_eq(lua_State *L) {
  const struct mw_packed *a = mw_packed_at(L, 1), *b = mw_packed_at(L, 2);
  unsigned steps = 0;
  bool equal = a && b && strcmp(a->type->full_name, b->type->full_name) == 0 && a->bytes.len == b->bytes.len;
  if (equal) {
    mw_budget_bytes(L, &steps, a->bytes.len);
    equal = mw_slice_eq(a->bytes, b->bytes);
  }
  lua_pushboolean(L, equal);
  return 1;
}

static int l_pairs(lua_State *L) {
  return luaL_error(L, "%s: a packed message cannot be traversed: use pairs(m:unpack())",
                    check_packed(L, 1)->type->full_name);
}

static const luaL_Reg methods[] = {{"unpack", l_unpack}, {NULL, NULL}};
static const luaL_Reg metamethods[] = {{"__index", l_index},
                                       {"__newindex", l_newindex},
                                       {"__tostring", l_tostring},
                                       {"__len", l_len},
                                       {"__eq", l_eq},
                                       {"__pairs", l_pairs},
                                       {NULL, NULL}};

void mw_packed_open(lua_State *L, struct mw_messages *messages, int owner) {
  lua_createtable(L, 0, 8);
  lua_pushliteral(L, "packed message");
  lua_setfield(L, -2, "__name");
  lua_pushliteral(L, "packed message");
  lua_setfield(L, -2, "__metatable");
  lua_pushvalue(L, owner);
  lua_newtable(L);
  luaL_setfuncs(L, methods, 0);
  luaL_setfuncs(L, metamethods, 2);
  messages->packed_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}
