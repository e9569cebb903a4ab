/* mw.status: the constructors of statuses, and details. */
#include "bind/message/status.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "bind/base/debug_info.h"
#include "bind/base/openers.h"
#include "bind/base/options.h"
#include "bind/base/status.h"
#include "bind/message/decode.h"
#include "bind/message/message.h"
#include "bind/message/packed.h"

/* Unpacks a google.rpc.Status and sets its details on the status object at the top. Ignores malformed bytes. */
static void set_details(lua_State *L, struct mw_slice bytes) {
  struct mw_program *program = mw_fiber_program(L);
  const struct mw_message_type *type = program ? mw_pool_message(program->pool, "google.rpc.Status") : NULL;
  if (!type || mw_bind_push_bytes(L, program, type, bytes, NULL) != 0) return;
  lua_getfield(L, -1, "details");
  lua_setfield(L, -3, "details");
  lua_pop(L, 1);
}

static void push_status(lua_State *L, const char *type, const struct mw_status *status) {
  lua_pushlstring(L, (const char *)status->message.data, status->message.len);
  mw_status_push(L, type, status->code);
  if (status->details.len > 0) set_details(L, status->details);
}

void mw_bind_push_status(lua_State *L, const struct mw_status *status) { push_status(L, MW_STATUS, status); }

void mw_bind_push_failure(lua_State *L, const struct mw_status *status) { push_status(L, MW_FAILURE, status); }

/* Pushes the message of the status at `index`, cut to the length that is sent, in a form that is valid for a field of
 * type string. */
static void push_text(lua_State *L, int index) {
  if (mw_status_get(L, index, "message") != LUA_TSTRING) return;
  struct mw_slice message;
  message.data = (const uint8_t *)lua_tolstring(L, -1, &message.len);
  message = mw_status_message_cut(message);
  luaL_Buffer buffer;
  char *text = luaL_buffinitsize(L, &buffer, message.len + 1);
  for (size_t i = 0; i < message.len; i++) text[i] = message.data[i] ? (char)message.data[i] : '?';
  text[message.len] = '\0';
  mw_bind_make_utf8(text);
  luaL_pushresultsize(&buffer, message.len);
  lua_remove(L, -2);
}

/* Packs code, message and details as a google.rpc.Status. The string stays on the stack. */
static struct mw_slice pack_details(lua_State *L, int index, enum mw_code code) {
  struct mw_program *program = mw_fiber_program(L);
  const struct mw_message_type *type = program ? mw_pool_message(program->pool, "google.rpc.Status") : NULL;
  if (!type) return mw_slice(NULL, 0);
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, code);
  lua_setfield(L, -2, "code");
  push_text(L, index);
  lua_setfield(L, -2, "message");
  mw_status_get(L, index, "details");
  lua_setfield(L, -2, "details");
  struct mw_err err = MW_ERR_INIT;
  ProtobufCMessage *message;
  if (mw_bind_to_message(L, -1, program, type, mw_vm_scratch(program->vm), &message, &err) != 0) {
    mw_bind_raise_err(L, &err);
  }
  luaL_Buffer buffer;
  size_t size = mw_message_size(message);
  uint8_t *out = (uint8_t *)luaL_buffinitsize(L, &buffer, size);
  mw_message_pack(message, out);
  luaL_pushresultsize(&buffer, size);
  lua_remove(L, -2);
  return mw_slice(lua_tostring(L, -1), size);
}

bool mw_bind_to_status(lua_State *L, int index, struct mw_status *out) {
  index = lua_absindex(L, index);
  if (!mw_status_is(L, index)) return false;
  luaL_checkstack(L, 8, NULL);
  int code = mw_status_get(L, index, "code") == LUA_TSTRING ? mw_code_from_name(lua_tostring(L, -1)) : -1;
  *out = mw_status(code < 0 ? MW_CODE_UNKNOWN : (enum mw_code)code, "");
  if (mw_status_get(L, index, "message") == LUA_TSTRING) {
    out->message.data = (const uint8_t *)lua_tolstring(L, -1, &out->message.len);
  }
  lua_pop(L, 2); /* the object keeps both alive */
  if (mw_status_get(L, index, "details") == LUA_TTABLE) {
    lua_pop(L, 1);
    out->details = pack_details(L, index, out->code); /* leaves its string on the stack */
  } else {
    lua_pop(L, 1);
  }
  return true;
}

/* ---- the constructors ---- */

/* Pushes the message of the arguments (format, ...) from `first` on. A format without further arguments is the message
 * itself. */
static void push_message(lua_State *L, int first) {
  if (lua_gettop(L) < first) {
    lua_pushliteral(L, "");
  } else if (lua_gettop(L) == first) {
    lua_pushstring(L, luaL_checkstring(L, first));
  } else {
    luaL_getmetafield(L, first, "__index"); /* the string library */
    lua_getfield(L, -1, "format");
    lua_replace(L, -2);
    int n = lua_gettop(L) - first;
    for (int i = 0; i < n; i++) lua_pushvalue(L, first + i);
    lua_call(L, n, 1);
  }
}

/* mw.status.not_found([format, ...]). Upvalue 2: the code. */
static int l_construct(lua_State *L) {
  enum mw_code code = (enum mw_code)lua_tointeger(L, lua_upvalueindex(2));
  if (lua_gettop(L) > 0) luaL_checkstring(L, 1);
  push_message(L, 1);
  mw_status_push(L, MW_STATUS, code);
  return 1;
}

/* mw.status(code, [format, ...]): code is a name or a number. */
static int l_call(lua_State *L) {
  lua_remove(L, 1); /* mw.status itself */
  int code = lua_isinteger(L, 1) ? (int)lua_tointeger(L, 1) : mw_code_from_name(mw_bind_check_name(L, 1));
  luaL_argcheck(L, code > 0 && code < MW_CODE_COUNT, 1, "expected a status code such as \"NOT_FOUND\"");
  if (lua_gettop(L) > 1) luaL_checkstring(L, 2);
  push_message(L, 2);
  mw_status_push(L, MW_STATUS, (enum mw_code)code);
  return 1;
}

/* ---- methods and metamethods ---- */

static const struct mw_message_type *find_type(lua_State *L, const char *name) {
  struct mw_program *program = mw_fiber_program(L);
  const struct mw_message_type *type = program ? mw_pool_message(program->pool, name) : NULL;
  if (!type) luaL_error(L, "with_details: no message type %s in the schema", name);
  return type;
}

/* Converts the value at `index` to a message, which borrows its strings. */
static const ProtobufCMessage *check_message(lua_State *L, int index, const struct mw_message_type *type) {
  struct mw_program *program = mw_fiber_program(L);
  struct mw_err err = MW_ERR_INIT;
  ProtobufCMessage *message;
  if (mw_bind_to_message(L, index, program, type, mw_vm_scratch(program->vm), &message, &err) != 0) {
    mw_bind_raise_err(L, &err);
  }
  return message;
}

/* Pushes {type_url=, value=} of the message at 3. The name of its type is at 2. */
static void push_packed(lua_State *L) {
  const char *name = mw_bind_check_name(L, 2);
  if (!mw_packed_at(L, 3)) luaL_checktype(L, 3, LUA_TTABLE);
  const struct mw_message_type *type = find_type(L, name);
  const ProtobufCMessage *message = check_message(L, 3, type);
  lua_createtable(L, 0, 2);
  luaL_Buffer buffer;
  size_t size = mw_message_size(message);
  mw_message_pack(message, (uint8_t *)luaL_buffinitsize(L, &buffer, size));
  luaL_pushresultsize(&buffer, size);
  lua_setfield(L, -2, "value");
  lua_pushfstring(L, "type.googleapis.com/%s", type->full_name);
  lua_setfield(L, -2, "type_url");
}

/* Pushes a copy of the Any at 2. */
static void push_any(lua_State *L) {
  static const char *const names[] = {"type_url", "value"};
  const struct mw_message_type *any = find_type(L, "google.protobuf.Any");
  const ProtobufCMessage *message = check_message(L, 2, any);
  lua_createtable(L, 0, 2);
  for (int i = 0; i < 2; i++) {
    const ProtobufCBinaryData *bytes = mw_field_value((ProtobufCMessage *)(uintptr_t)message, &any->fields[i]);
    if (i == 0 && bytes->len == 0)
      luaL_error(L, "with_details: google.protobuf.Any.type_url is empty, expected a type URL");
    lua_pushlstring(L, bytes->len > 0 ? (const char *)bytes->data : "", bytes->len);
    lua_setfield(L, -2, names[i]);
  }
}

/* status:with_details(type_name, message) or status:with_details(any): adds a detail and returns the status. A failure
 * becomes a status that the handler has chosen. */
static int l_with_details(lua_State *L) {
  mw_status_check(L, 1);
  if (lua_istable(L, 2) && lua_isnoneornil(L, 3)) {
    push_any(L);
  } else {
    push_packed(L);
  }
  if (mw_status_get(L, 1, "details") != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, 1, "details");
  }
  lua_insert(L, -2);
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  lua_settop(L, 1);
  luaL_setmetatable(L, MW_STATUS);
  return 1;
}

void mw_bind_open_status(lua_State *L, struct mw_program *program) {
  static const luaL_Reg methods[] = {{"with_details", l_with_details}, {NULL, NULL}};
  mw_status_open(L, methods);
  lua_createtable(L, 0, MW_CODE_COUNT);
  for (int code = 1; code < MW_CODE_COUNT; code++) {
    char name[32] = "";
    const char *upper = mw_code_name((enum mw_code)code);
    for (size_t i = 0; upper[i] && i < sizeof name - 1; i++) name[i] = (char)tolower((unsigned char)upper[i]);
    mw_program_push(L, program);
    lua_pushinteger(L, code);
    lua_pushcclosure(L, l_construct, 2);
    lua_setfield(L, -2, name);
  }
  lua_createtable(L, 0, 2);
  lua_pushcfunction(L, l_call);
  lua_setfield(L, -2, "__call");
  lua_pushliteral(L, "mw.status");
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
  lua_setfield(L, -2, "status");
}
