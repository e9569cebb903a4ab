/* Messages in Lua, with a garbage collection at every allocation. Bytes become a table, the table is changed at random,
 * and if it can be packed, its bytes are read as the same message. The first byte of an input chooses the type, the
 * second the number of the following bytes that choose the changes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bind/base/bind.h"
#include "bind/message/decode.h"
#include "bind/message/message.h"
#include "bind/base/openers.h"
#include "schema/load/load.h"
#include "script/open.h"

enum { HEAD = 2, BUDGET = 1 << 20 };

static const char *const types[] = {"every.Every", "legacy.Legacy", "wide.List", "google.protobuf.Struct"};

static const char script[] =
    "local message, bytes = ...\n"
    "local at, left = 0, 50\n"
    "local function byte() at = at % #bytes + 1 return bytes:byte(at) end\n"
    "local values = { 0, -1, 1.5, 0/0, 1/0, math.mininteger, '', '\\xff', '1s', true, {}, { 1, {} }, { a = 'b' },\n"
    "  print, mw.null, mw.array {}, setmetatable({}, { __index = error, __len = error, __pairs = error }) }\n"
    "local function change(t)\n"
    "  local keys = {}\n"
    "  for k in next, t do keys[#keys + 1] = k end\n"
    "  for _, k in ipairs(keys) do\n"
    "    local how, old = byte() % 8, rawget(t, k)\n"
    "    left = left - 1\n"
    "    if left < 0 then return end\n"
    "    if how < 2 then rawset(t, k, values[byte() % (#values + 1)])\n"
    "    elseif how == 2 then rawset(t, values[byte() % 3 + 1], old)\n"
    "    elseif how == 3 then rawset(t, k, byte() < 4 and t or message)\n"
    "    elseif type(old) == 'table' then change(old) end\n"
    "  end\n"
    "end\n"
    "if #bytes > 0 then change(message) end\n"
    "return message, tostring(message)\n";

static struct mw_loop loop;
static struct mw_vm vm;
static struct mw_program program = {.vm = &vm};
static const struct mw_message_type *type;
static struct mw_slice changes, bytes;

static int open_module(lua_State *L) {
  lua_newtable(L);
  mw_bind_open_status(L, &program);
  mw_bind_open_message(L, &program);
  lua_setglobal(L, "mw");
  return 0;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  struct mw_err err = MW_ERR_INIT;
  if (setenv("MOONWIRE_GCSTRESS", "1", 1) != 0 || mw_loop_init(&loop, NULL) != 0) abort();
  if (mw_vm_init(&vm, &loop, BUDGET, NULL) != 0) abort();
  lua_pushlightuserdata(vm.L, &program);
  program.self_ref = luaL_ref(vm.L, LUA_REGISTRYINDEX);
  int rc = mw_schema_load(&program.pool, FUZZ_PROTO_DIR, &err);
  if (rc == 0 && mw_vm_protect(&vm, open_module, NULL, &err) == 0) return 0;
  fprintf(stderr, "%s\n", mw_err_text(&err));
  exit(1);
}

/* Pushes the packed bytes of the table at `index`. Returns false, and pushes nothing, if it is not a valid message. */
static bool pack(lua_State *L, int index, struct mw_slice *out) {
  ProtobufCMessage *message;
  if (mw_bind_to_message(L, index, &program, type, mw_vm_scratch(&vm), &message, NULL) != 0) return false;
  size_t size = mw_message_size(message);
  uint8_t *packed = malloc(size + 1); /* the message borrows its strings: Lua allocates afterwards */
  if (!packed) abort();
  mw_message_pack(message, packed);
  *out = mw_slice(lua_pushlstring(L, (const char *)packed, size), size);
  free(packed);
  return true;
}

static int check(lua_State *L) {
  struct mw_slice once, twice;
  if (luaL_loadstring(L, script) != LUA_OK) abort();
  if (mw_bind_push_bytes(L, &program, type, bytes, NULL) != 0) return 0;
  lua_pushlstring(L, (const char *)changes.data, changes.len);
  lua_call(L, 2, 1);
  if (!pack(L, lua_gettop(L), &once)) return 0;
  int rc = mw_bind_push_bytes(L, &program, type, once, NULL);
  if (rc == MW_ELIMIT || rc == MW_ENOMEM) return 0;
  if (rc != 0 || !pack(L, lua_gettop(L), &twice) || once.len != twice.len) abort();
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < HEAD || size > 4096) return 0;
  size_t n = data[1] % 32 < size - HEAD ? data[1] % 32 : size - HEAD;
  type = mw_pool_message(program.pool, types[data[0] % 4]);
  changes = mw_slice(data + HEAD, n);
  bytes = mw_slice(data + HEAD + n, size - HEAD - n);
  /* so that each input collects at every allocation (script/state/collect.h) */
  vm.allocations = vm.run_allocations = 0;
  (void)mw_vm_protect(&vm, check, NULL, NULL);
  lua_gc(vm.L, LUA_GCCOLLECT); /* else libFuzzer checks for leaks */
  return 0;
}
