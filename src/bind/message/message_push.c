#include "bind/message/message_push.h"

#include "bind/message/message.h"
#include "schema/wire/varint.h"

static size_t count_of(const ProtobufCMessage *message, const struct mw_field *field) {
  return message ? *mw_field_count(message, field) : 0;
}

static void push_enum(struct mw_pusher *p, const struct mw_enum_type *type, int32_t number) {
  const struct mw_enum_state *state = &p->messages->enums[type->index];
  if (number >= 0 && number < state->n_atom_of && state->atom_of[number] != 0) {
    lua_rawgeti(p->L, p->atoms, state->atom_of[number]);
    return;
  }
  const struct mw_enum_value *value = mw_enum_by_number(type, number);
  if (value) {
    lua_pushstring(p->L, value->name);
  } else {
    lua_pushinteger(p->L, number);
  }
}

static void push_bytes(lua_State *L, const ProtobufCBinaryData *bytes) {
  lua_pushlstring(L, (const char *)bytes->data, bytes->len);
}

void mw_push_element(struct mw_pusher *p, const struct mw_field *field, const void *slot) {
  lua_State *L = p->L;
  switch (field->kind) {
    case MW_KIND_DOUBLE: lua_pushnumber(L, *(const double *)slot); return;
    case MW_KIND_FLOAT: lua_pushnumber(L, (lua_Number) * (const float *)slot); return;
    case MW_KIND_INT64:
    case MW_KIND_SINT64:
    case MW_KIND_SFIXED64: lua_pushinteger(L, *(const int64_t *)slot); return;
    case MW_KIND_UINT64:
    case MW_KIND_FIXED64: lua_pushinteger(L, (lua_Integer) * (const uint64_t *)slot); return;
    case MW_KIND_INT32:
    case MW_KIND_SINT32:
    case MW_KIND_SFIXED32: lua_pushinteger(L, *(const int32_t *)slot); return;
    case MW_KIND_UINT32:
    case MW_KIND_FIXED32: lua_pushinteger(L, *(const uint32_t *)slot); return;
    case MW_KIND_BOOL: lua_pushboolean(L, *(const protobuf_c_boolean *)slot != 0); return;
    case MW_KIND_ENUM: push_enum(p, field->enumeration, *(const int32_t *)slot); return;
    case MW_KIND_STRING:
    case MW_KIND_BYTES: push_bytes(L, slot); return;
    case MW_KIND_MESSAGE: mw_push_message(p, field->message, *(ProtobufCMessage *const *)slot); return;
  }
}

void mw_push_sequence(struct mw_pusher *p, const struct mw_field *field, const ProtobufCMessage *message) {
  size_t n = count_of(message, field);
  lua_createtable(p->L, (int)n, 0);
  if (n == 0) return;
  const char *slot = *(const char **)mw_field_value(message, field);
  size_t size = mw_kind_size(field->kind);
  for (size_t i = 0; i < n; i++, slot += size) {
    mw_budget_tick(p->L, &p->steps);
    mw_push_element(p, field, slot);
    lua_rawseti(p->L, -2, (lua_Integer)i + 1);
  }
}

void mw_push_map(struct mw_pusher *p, const struct mw_field *field, const ProtobufCMessage *message) {
  size_t n = count_of(message, field);
  const struct mw_field *key = &field->message->fields[0], *value = &field->message->fields[1];
  ProtobufCMessage *const *entries = n > 0 ? *(ProtobufCMessage ***)mw_field_value(message, field) : NULL;
  lua_createtable(p->L, 0, (int)mw_map_table_size(p, field, entries, n));
  for (size_t i = 0; i < n; i++) {
    const ProtobufCMessage *entry = entries[i];
    mw_budget_spend(p->L, &p->steps, 1 + (i < MW_FEW_KEYS ? i : MW_FEW_KEYS) / MW_BUDGET_BYTES);
    mw_push_element(p, key, mw_field_value(entry, key));
    mw_push_element(p, value, mw_field_value(entry, value));
    lua_rawset(p->L, -3);
  }
}

/* Keeps the unknown fields of `message`, in their wire format, for the table at the top. */
static void keep_unknowns(struct mw_pusher *p, const ProtobufCMessage *message) {
  lua_State *L = p->L;
  luaL_Buffer buffer;
  mw_messages_push_unknowns(L);
  lua_pushvalue(L, -2);
  luaL_buffinit(L, &buffer);
  for (unsigned i = 0; i < message->n_unknown_fields; i++) {
    const ProtobufCMessageUnknownField *unknown = &message->unknown_fields[i];
    uint8_t tag[MW_WIRE_VARINT_MAX];
    const uint8_t *end = mw_wire_write_varint(tag, (uint64_t)unknown->tag << 3 | unknown->wire_type);
    luaL_addlstring(&buffer, (const char *)tag, (size_t)(end - tag));
    luaL_addlstring(&buffer, (const char *)unknown->data, unknown->len);
  }
  luaL_pushresult(&buffer);
  lua_rawset(L, -3);
  lua_pop(L, 1);
  p->messages->unknowns = true;
}

/* True if the table gets a key for the field. An unset field is left out: the metatable has its default. */
static bool is_stored(const ProtobufCMessage *message, const struct mw_field *field) {
  return field->repeated || (message && mw_field_is_set(message, field));
}

static void push_fields(struct mw_pusher *p, const struct mw_message_state *state, const ProtobufCMessage *message) {
  const struct mw_message_type *type = state->type;
  mw_budget_spend(p->L, &p->steps, 1 + type->n_fields / 4);
  enum { NOTED = 64 };
  uint64_t stored = 0; /* bits of the first fields, to test each once */
  int n = 0;
  for (size_t i = 0; i < type->n_fields; i++) {
    bool is = is_stored(message, &type->fields[i]);
    if (i < NOTED) stored |= (uint64_t)is << i;
    n += is;
  }
  lua_createtable(p->L, 0, n);
  for (size_t i = 0; i < type->n_fields; i++) {
    const struct mw_field *field = &type->fields[i];
    if (i < NOTED ? !(stored >> i & 1) : !is_stored(message, field)) continue;
    lua_rawgeti(p->L, p->atoms, state->name_atom + (int)i);
    if (field->map) {
      mw_push_map(p, field, message);
    } else if (field->repeated) {
      mw_push_sequence(p, field, message);
    } else {
      mw_push_element(p, field, mw_field_value(message, field));
    }
    lua_rawset(p->L, -3);
  }
}

/* Pushes a Timestamp or Duration, which always has both of its fields. */
static void push_time(struct mw_pusher *p, const struct mw_message_state *state, const ProtobufCMessage *message) {
  lua_createtable(p->L, 0, 2);
  for (int i = 0; i < 2; i++) {
    static const int64_t zero;
    const struct mw_field *field = &state->type->fields[i];
    lua_rawgeti(p->L, p->atoms, state->name_atom + i);
    mw_push_element(p, field, message ? mw_field_value(message, field) : &zero);
    lua_rawset(p->L, -3);
  }
}

void mw_push_message(struct mw_pusher *p, const struct mw_message_type *type, const ProtobufCMessage *message) {
  luaL_checkstack(p->L, 8, "message nested too deep");
  if (type->wellknown != MW_WKT_NONE && mw_push_wellknown(p, type, message)) return;
  const struct mw_message_state *state = &p->messages->types[type->index];
  if (type->wellknown == MW_WKT_TIMESTAMP || type->wellknown == MW_WKT_DURATION) {
    push_time(p, state, message);
  } else {
    push_fields(p, state, message);
  }
  lua_rawgeti(p->L, p->atoms, state->metatable_atom);
  lua_setmetatable(p->L, -2);
  if (message && message->n_unknown_fields > 0) keep_unknowns(p, message);
}

void mw_bind_push_message(lua_State *L, struct mw_program *program, const struct mw_message_type *type,
                          const ProtobufCMessage *message) {
  luaL_checkstack(L, 4, NULL);
  struct mw_pusher pusher = {.L = L, .messages = mw_messages_of(program), .atoms = lua_gettop(L) + 1};
  lua_rawgeti(L, LUA_REGISTRYINDEX, pusher.messages->ref);
  mw_push_message(&pusher, type, message);
  lua_replace(L, pusher.atoms);
}
