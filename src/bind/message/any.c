/* mw.any: messages of any type within a google.protobuf.Any, {type_url=, value=}. */
#include "bind/base/bind.h"
#include "bind/base/openers.h"
#include "bind/base/status.h"
#include "bind/message/decode.h"
#include "bind/message/message.h"

#define PREFIX "type.googleapis.com/"

/* The full name after the last slash of a type URL, or the whole URL if it has none. */
static const char *name_of_url(const char *url) {
  const char *slash = strrchr(url, '/');
  return slash ? slash + 1 : url;
}

static void set_bytes(ProtobufCMessage *message, const struct mw_field *field, const void *data, size_t len) {
  *(ProtobufCBinaryData *)mw_field_value(message, field) = (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)data};
  mw_field_mark(message, field);
}

/* Wraps `message` in an Any with the type URL `url`. Returns NULL without memory. */
static ProtobufCMessage *wrap(const struct mw_message_type *any, const ProtobufCMessage *message, const char *url,
                              struct mw_arena *arena) {
  size_t size = mw_message_size(message);
  uint8_t *bytes = mw_arena_alloc(arena, size);
  ProtobufCMessage *out = mw_message_new(any, arena);
  if (!bytes || !out) return NULL;
  mw_message_pack(message, bytes);
  set_bytes(out, &any->fields[0], url, strlen(url));
  set_bytes(out, &any->fields[1], bytes, size);
  return out;
}

/* mw.any.pack(type_name, message): returns an Any. */
static int l_pack(lua_State *L) {
  struct mw_program *program = mw_bind_program(L);
  const struct mw_message_type *type = mw_bind_check_message_name(L, 1, program);
  const struct mw_message_type *any = mw_pool_message(program->pool, "google.protobuf.Any");
  struct mw_arena *arena = mw_vm_scratch(program->vm);
  struct mw_err err = MW_ERR_INIT;
  ProtobufCMessage *message;
  luaL_checkany(L, 2);
  const char *url = lua_pushfstring(L, PREFIX "%s", type->full_name);
  if (mw_bind_to_message(L, 2, program, type, arena, &message, &err) != 0) return mw_bind_raise_err(L, &err);
  message = wrap(any, message, url, arena);
  if (!message) return luaL_error(L, "mw.any.pack: not enough memory for the message");
  mw_bind_push_message(L, program, any, message);
  return 1;
}

/* Returns a field of the Any at index 1. Raises unless the field is a string or absent. */
static struct mw_slice get_bytes(lua_State *L, const char *name) {
  size_t len = 0;
  lua_pushstring(L, name);
  int type = lua_rawget(L, 1);
  luaL_argcheck(L, type == LUA_TSTRING || type == LUA_TNIL, 1, "expected {type_url=, value=}");
  const char *data = lua_tolstring(L, -1, &len);
  return mw_slice(data ? data : "", len);
}

/* mw.any.unpack(any): returns the message in it. Returns nil and a status if the schema lacks its type or its bytes are
 * malformed. */
static int l_unpack(lua_State *L) {
  struct mw_program *program = mw_bind_program(L);
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  const char *name = name_of_url((const char *)get_bytes(L, "type_url").data);
  struct mw_slice value = get_bytes(L, "value");
  const struct mw_message_type *type = mw_pool_message(program->pool, name);
  if (!type) return mw_bind_fail(L, MW_CODE_INVALID_ARGUMENT, "Any: no message type \"%s\" in the schema", name);
  struct mw_err err = MW_ERR_INIT;
  int rc = mw_bind_push_bytes(L, program, type, value, &err);
  return rc == 0 ? 1 : mw_bind_fail_err(L, mw_code_of_error(rc), &err);
}

void mw_bind_open_any(lua_State *L, struct mw_program *program) {
  static const luaL_Reg functions[] = {{"pack", l_pack}, {"unpack", l_unpack}, {NULL, NULL}};
  lua_createtable(L, 0, 2);
  mw_bind_functions(L, program, functions);
  lua_setfield(L, -2, "any");
}
