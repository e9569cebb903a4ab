/* Messages in Lua, with protoc as the oracle. The files of luamsg/ are the checks and run in a bare Lua state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bind/base/bind.h"
#include "bind/message/decode.h"
#include "bind/message/message.h"
#include "bind/base/openers.h"
#include "failmalloc.h"

#define SCHEMA "-I luamsg luamsg/tasks.proto luamsg/kinds.proto luamsg/legacy.proto"

static char dir[] = "/tmp/luamsg_testXXXXXX";
static struct mw_pool *pool;

/* ---- protoc ---- */

static void write_file(const char *name, const void *data, size_t len) {
  char path[64];
  snprintf(path, sizeof path, "%s/%s", dir, name);
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(data, 1, len, file), len);
  fclose(file);
}

/* Runs protoc with `args` and the file "in" of the folder as its input. Appends its output. */
static void protoc(struct mw_buf *out, const char *args) {
  char command[512], path[64];
  snprintf(command, sizeof command, "protoc %s < %s/in > %s/out", args, dir, dir);
  snprintf(path, sizeof path, "%s/out", dir);
  if (system(command) != 0) fail_msg("%s", command);
  assert_int_equal(mw_buf_read_file(out, path, SIZE_MAX, NULL), 0);
}

static int l_protoc(lua_State *L, const char *flag) {
  size_t len;
  const char *type = luaL_checkstring(L, 1), *in = luaL_checklstring(L, 2, &len);
  struct mw_buf out = MW_BUF_INIT;
  char args[256];
  write_file("in", in, len);
  snprintf(args, sizeof args, "--%s=%s " SCHEMA, flag, type);
  protoc(&out, args);
  lua_pushlstring(L, (const char *)out.data, out.len);
  mw_buf_fini(&out);
  return 1;
}

static int l_protoc_encode(lua_State *L) { return l_protoc(L, "encode"); }
static int l_protoc_decode(lua_State *L) { return l_protoc(L, "decode"); }

static int make_pool(void **state) {
  assert_non_null(mkdtemp(dir));
  struct mw_buf set = MW_BUF_INIT;
  struct mw_err err = MW_ERR_INIT;
  write_file("in", "", 0);
  protoc(&set, "--include_imports --descriptor_set_out=/dev/stdout " SCHEMA);
  if (mw_pool_new(&pool, mw_buf_slice(&set), &err) != 0) fail_msg("%s", mw_err_text(&err));
  mw_buf_fini(&set);
  return 0;
}

static int free_pool(void **state) {
  char command[64];
  mw_pool_unref(pool);
  snprintf(command, sizeof command, "rm -r %s", dir);
  return system(command);
}

/* ---- a Lua state with the module ---- */

struct fixture {
  struct mw_vm vm;
  struct mw_program program;
};

static const struct mw_message_type *check_type(lua_State *L) {
  const struct mw_message_type *type = mw_pool_message(pool, luaL_checkstring(L, 1));
  luaL_argcheck(L, type, 1, "no such type");
  return type;
}

/* t.encode(type, value): returns bytes, or nil and the error. */
static int l_encode(lua_State *L) {
  struct mw_vm *vm = mw_vm_of(L);
  struct mw_program *program = mw_bind_program(L);
  struct mw_err err = MW_ERR_INIT;
  ProtobufCMessage *message;
  luaL_Buffer buffer;
  int top = lua_gettop(L);
  int rc = mw_bind_to_message(L, 2, program, check_type(L), mw_vm_scratch(vm), &message, &err);
  assert_int_equal(lua_gettop(L), top);
  if (rc != 0) {
    lua_pushnil(L);
    mw_bind_push_err(L, &err);
    return 2;
  }
  size_t size = mw_message_size(message);
  mw_message_pack(message, (uint8_t *)luaL_buffinitsize(L, &buffer, size));
  luaL_pushresultsize(&buffer, size);
  return 1;
}

/* t.decode(type, bytes): returns a message, or nil and the error. */
static int l_decode(lua_State *L) {
  struct mw_err err = MW_ERR_INIT;
  size_t len;
  const char *bytes = luaL_checklstring(L, 2, &len);
  if (mw_bind_push_bytes(L, mw_bind_program(L), check_type(L), mw_slice(bytes, len), &err) == 0) {
    assert_int_equal(lua_gettop(L), 3);
    return 1;
  }
  lua_pushnil(L);
  mw_bind_push_err(L, &err);
  return 2;
}

static void open_module(lua_State *L, struct mw_program *program) {
  static const luaL_Reg harness[] = {{"encode", l_encode},
                                     {"decode", l_decode},
                                     {"protoc_encode", l_protoc_encode},
                                     {"protoc_decode", l_protoc_decode},
                                     {NULL, NULL}};
  lua_newtable(L);
  mw_bind_open_status(L, program);
  mw_bind_open_message(L, program);
  mw_bind_open_any(L, program);
  mw_bind_open_u64(L, program);
  lua_setglobal(L, "mw");
  lua_newtable(L);
  mw_bind_functions(L, program, harness);
  lua_setglobal(L, "t");
}

static int open_state(lua_State *L) {
  struct mw_program *program = lua_touserdata(L, 1);
  luaL_openlibs(L);
  lua_pushlightuserdata(L, program);
  program->self_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  open_module(L, program);
  return 0;
}

/* Returns a code of lua_pcall(). */
static int open_fixture(struct fixture *fixture, lua_Alloc alloc, void *arg) {
  *fixture = (struct fixture){.program = {.vm = &fixture->vm, .pool = pool}};
  lua_State *L = fixture->vm.L = lua_newstate(alloc, arg);
  if (!L) return LUA_ERRMEM;
  mw_arena_init(&fixture->vm.scratch, 64 << 20);
  *(struct mw_vm **)lua_getextraspace(L) = &fixture->vm;
  lua_pushcfunction(L, open_state);
  lua_pushlightuserdata(L, &fixture->program);
  return lua_pcall(L, 1, 0, 0);
}

static void close_fixture(struct fixture *fixture) {
  if (!fixture->vm.L) return;
  mw_bind_close_messages(&fixture->program);
  lua_close(fixture->vm.L);
  mw_arena_fini(&fixture->vm.scratch);
}

static int traceback(lua_State *L) {
  luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
  return 1;
}

static void run_file(lua_State *L, const char *path) {
  lua_pushcfunction(L, traceback);
  int rc = luaL_loadfile(L, path);
  if (rc == LUA_OK) rc = lua_pcall(L, 0, 0, -2);
  if (rc != LUA_OK) fail_msg("%s", lua_tostring(L, -1));
  lua_settop(L, 0);
}

static void *allocate(void *arg, void *old, size_t old_size, size_t size) {
  if (size > 0) return realloc(old, size);
  free(old);
  return NULL;
}

static void check(void **state) {
  struct fixture fixture;
  assert_int_equal(open_fixture(&fixture, allocate, NULL), LUA_OK);
  run_file(fixture.vm.L, "luamsg/prelude.lua");
  run_file(fixture.vm.L, *state);
  close_fixture(&fixture);
}

/* ---- lifetimes ---- */

/* A message outlives its program, and a later program of the same state accepts it. */
static void messages_outlive_their_program(void **state) {
  struct fixture fixture;
  assert_int_equal(open_fixture(&fixture, allocate, NULL), LUA_OK);
  lua_State *L = fixture.vm.L;
  assert_int_equal(luaL_dostring(L,
                                 "old = t.decode('tasks.Task', t.encode('tasks.NewerTask', {id='x', owner='me'}))"
                                 "choice = mw.message('kinds.Choice', {text=''})"
                                 "stamp = mw.message('google.protobuf.Timestamp', 1)"),
                   LUA_OK);
  mw_bind_close_messages(&fixture.program);
  mw_bind_close_messages(&fixture.program);
  open_module(L, &fixture.program);
  if (luaL_dostring(L,
                    "mw.null = nil collectgarbage() collectgarbage()"
                    "assert(tostring(old) == 'tasks.Task{id=\"x\"}' and old.title == '')"
                    "assert(choice.kind == 'text' and mw.type(choice) == 'kinds.Choice')"
                    "assert(t.decode('tasks.NewerTask', t.encode('tasks.Task', old)).owner == 'me')"
                    "assert(stamp + 1 - stamp == mw.message('google.protobuf.Duration', 1))"
                    "assert(not t.encode('tasks.TaskList', old))") != LUA_OK) {
    fail_msg("%s", lua_tostring(L, -1));
  }
  lua_getglobal(L, "old");
  assert_ptr_equal(mw_bind_message_type(L, -1, &fixture.program), mw_pool_message(pool, "tasks.Task"));
  lua_pushinteger(L, 1);
  assert_null(mw_bind_message_type(L, -1, &fixture.program));
  close_fixture(&fixture);
}

/* ---- no memory ---- */

static const char scenario_script[] =
    "local at = mw.message('kinds.Wellknown', {at=1, mask='a,b', meta={x={1,mw.null}}, w_string='s', times={1,2}})\n"
    "assert(tostring(at) and at.at + 1)\n"
    "local bytes = t.encode('tasks.NewerTask', {id='x', owner='me', votes={1,2,3}, parent={title='t'}})\n"
    "if bytes then local task = t.decode('tasks.Task', bytes) if task then t.encode('tasks.Task', task) end end\n"
    "t.encode('kinds.Maps', {labels={a='b'}, by_int32={[1]={f_string='x'}}})\n"
    "t.encode('tasks.Task', {priority='HIHG'})\n"
    "pcall(mw.message, 'tasks.Task', {titel=1})\n"
    "pcall(mw.any.unpack, mw.any.pack('tasks.Task', {id='x'}))\n";

static int run_out_of_memory(void *arg) {
  struct fixture fixture;
  int rc = open_fixture(&fixture, allocate, NULL);
  if (rc == LUA_OK) rc = luaL_dostring(fixture.vm.L, scenario_script);
  close_fixture(&fixture);
  return rc == LUA_OK ? 0 : MW_ENOMEM;
}

static void conversions_survive_failed_allocations(void **state) { failmalloc_sweep(run_out_of_memory, NULL); }

/* A test that runs the checks of luamsg/NAME.lua. */
#define CHECKS(name) \
  { name, check, NULL, NULL, "luamsg/" name ".lua" }

int main(void) {
  const struct CMUnitTest tests[] = {
      CHECKS("kinds"),
      CHECKS("errors"),
      CHECKS("oneofs"),
      CHECKS("wellknown"),
      CHECKS("unknown"),
      CHECKS("legacy"),
      CHECKS("module"),
      CHECKS("random"),
      cmocka_unit_test(messages_outlive_their_program),
      cmocka_unit_test(conversions_survive_failed_allocations),
  };
  return cmocka_run_group_tests(tests, make_pool, free_pool);
}
