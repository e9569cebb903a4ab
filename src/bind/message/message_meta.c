/* The metatables of messages: defaults, the names of oneofs, and tostring. */
#include "bind/message/message_meta.h"

#include "bind/message/marker.h"
#include "bind/message/message_error.h"
#include "bind/message/message_push.h"

/* ---- fields that are not stored ---- */

/* True if an unset field has a default that the .proto declares. The first value of an enum does not count, because
 * every enum falls back to it. A member of a oneof stays nil when it is not set, so that scripts can test it. */
static bool declares_default(const struct mw_field *field) {
  if (!field->default_value || field->oneof) return false;
  return !field->enumeration || *(const int32_t *)field->default_value != field->enumeration->values[0].number;
}

const void *mw_message_default(const struct mw_field *field) {
  static const ProtobufCBinaryData zero; /* zero for a value of any kind */
  if (declares_default(field)) return field->default_value;
  return field->repeated || field->has_presence ? NULL : &zero;
}

/* Pushes a table with the values of unset fields. */
static void push_defaults(lua_State *L, const struct mw_message_state *state, int atoms) {
  struct mw_pusher pusher = {.L = L, .messages = state->owner, .atoms = atoms};
  lua_newtable(L);
  for (size_t i = 0; i < state->type->n_fields; i++) {
    const struct mw_field *field = &state->type->fields[i];
    const void *value = mw_message_default(field);
    if (!value) continue;
    lua_rawgeti(L, atoms, state->name_atom + (int)i);
    mw_push_element(&pusher, field, value);
    lua_rawset(L, -3);
  }
}

/* Pushes the name of the member that is set in the message at 1, or nil. */
static void push_set_member(lua_State *L, const struct mw_oneof *oneof) {
  for (size_t i = 0; i < oneof->n_members; i++) {
    lua_pushstring(L, oneof->members[i]->name);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, 1) != LUA_TNIL) {
      lua_pop(L, 1);
      return;
    }
    lua_pop(L, 2);
  }
  lua_pushnil(L);
}

/* __index of a type with oneofs. Upvalues: the defaults, the state, its userdata. */
static int index_message(lua_State *L) {
  lua_settop(L, 2);
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNIL || lua_type(L, 2) != LUA_TSTRING || !lua_istable(L, 1)) return 1;
  const struct mw_message_state *state = lua_touserdata(L, lua_upvalueindex(2));
  for (size_t i = 0; i < state->type->n_oneofs; i++) {
    const struct mw_oneof *oneof = &state->type->oneofs[i];
    if (strcmp(oneof->name, lua_tostring(L, 2)) == 0) {
      push_set_member(L, oneof);
      return 1;
    }
  }
  return 1;
}

/* ---- tostring ---- */

enum { PRINT_DEPTH = 8, PRINT_PIECES = 1000 };

/* Collects the pieces of a text in the table at `pieces`, at most PRINT_PIECES. */
struct printer {
  lua_State *L;
  int pieces;
  lua_Integer n;
  int depth;
};

static void print_value(struct printer *p, int at, const struct mw_field *field);

/* Pops the string at the top and appends it. */
static void print_top(struct printer *p) {
  if (p->n < PRINT_PIECES) {
    lua_rawseti(p->L, p->pieces, ++p->n);
  } else {
    lua_pop(p->L, 1);
  }
}

static void print(struct printer *p, const char *text) {
  lua_pushstring(p->L, text);
  print_top(p);
}

static void print_fields(struct printer *p, int at, const struct mw_message_type *type) {
  const char *before = "";
  print(p, type->full_name);
  print(p, "{");
  for (size_t i = 0; i < type->n_fields && p->n < PRINT_PIECES; i++) {
    const struct mw_field *field = &type->fields[i];
    lua_pushstring(p->L, field->name);
    int value = lua_rawget(p->L, at);
    bool empty = value == LUA_TTABLE && field->repeated && (lua_pushnil(p->L), lua_next(p->L, -2) == 0);
    if (value != LUA_TNIL && !empty) {
      if (value == LUA_TTABLE && field->repeated) lua_pop(p->L, 2);
      print(p, before);
      print(p, field->name);
      print(p, "=");
      print_value(p, lua_gettop(p->L), field);
      before = ", ";
    }
    lua_pop(p->L, 1);
  }
  print(p, "}");
}

static void print_list(struct printer *p, int at, const struct mw_field *field) {
  lua_Integer n = (lua_Integer)lua_rawlen(p->L, at);
  print(p, "[");
  for (lua_Integer i = 1; i <= n && p->n < PRINT_PIECES; i++) {
    if (i > 1) print(p, ", ");
    lua_rawgeti(p->L, at, i);
    print_value(p, lua_gettop(p->L), field);
    lua_pop(p->L, 1);
  }
  print(p, "]");
}

static void print_map(struct printer *p, int at, const struct mw_field *value) {
  const char *before = "{";
  lua_pushnil(p->L);
  while (lua_next(p->L, at)) {
    int top = lua_gettop(p->L);
    print(p, before);
    print_value(p, top - 1, NULL);
    print(p, ": ");
    print_value(p, top, value);
    lua_settop(p->L, top - 1);
    before = ", ";
    if (p->n >= PRINT_PIECES) {
      lua_pop(p->L, 1);
      break;
    }
  }
  print(p, *before == '{' ? "{}" : "}");
}

static void print_table(struct printer *p, int at, const struct mw_field *field) {
  const struct mw_message_state *state = mw_message_state_at(p->L, at);
  if (state && (state->type->wellknown == MW_WKT_TIMESTAMP || state->type->wellknown == MW_WKT_DURATION)) {
    luaL_tolstring(p->L, at, NULL);
    print_top(p);
  } else if (state) {
    print_fields(p, at, state->type);
  } else if (mw_bind_is_array(p->L, at) || lua_rawlen(p->L, at) > 0) {
    print_list(p, at, field);
  } else {
    print_map(p, at, field && field->map ? &field->message->fields[1] : NULL);
  }
}

static void print_string(struct printer *p, int at, const struct mw_field *field) {
  size_t len;
  const char *text = lua_tolstring(p->L, at, &len);
  char quoted[MW_QUOTED];
  if (field && field->kind == MW_KIND_ENUM) {
    print(p, text);
  } else {
    mw_quote(mw_slice(text, len), quoted);
    print(p, quoted);
  }
}

/* `field` is the field of the value, or NULL if it is unknown. */
static void print_value(struct printer *p, int at, const struct mw_field *field) {
  luaL_checkstack(p->L, 8, NULL);
  if (lua_type(p->L, at) == LUA_TSTRING) {
    print_string(p, at, field);
  } else if (mw_bind_is_null(p->L, at)) {
    print(p, "null");
  } else if (!lua_istable(p->L, at)) {
    luaL_tolstring(p->L, at, NULL);
    print_top(p);
  } else if (p->depth == PRINT_DEPTH) {
    print(p, "...");
  } else {
    p->depth++;
    print_table(p, at, field);
    p->depth--;
  }
}

static void push_printed(const struct printer *p) {
  luaL_Buffer buffer;
  luaL_buffinit(p->L, &buffer);
  for (lua_Integer i = 1; i <= p->n; i++) {
    lua_rawgeti(p->L, p->pieces, i);
    luaL_addvalue(&buffer);
  }
  if (p->n == PRINT_PIECES) luaL_addstring(&buffer, "...");
  luaL_pushresult(&buffer);
}

static int message_to_string(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  lua_newtable(L);
  struct printer printer = {.L = L, .pieces = 2};
  const struct mw_message_state *state = mw_message_state_at(L, 1);
  luaL_argexpected(L, state, 1, "message");
  print_fields(&printer, 1, state->type);
  push_printed(&printer);
  return 1;
}

/* ---- the metatable ---- */

void mw_message_meta_fill(lua_State *L, struct mw_message_state *state, int owner, int atoms) {
  push_defaults(L, state, atoms);
  if (state->type->n_oneofs > 0) {
    lua_pushlightuserdata(L, state);
    lua_pushvalue(L, owner);
    lua_pushcclosure(L, index_message, 3);
  }
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, message_to_string);
  lua_setfield(L, -2, "__tostring");
  lua_pushstring(L, state->type->full_name);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__name");
  lua_setfield(L, -2, "__metatable");
}
