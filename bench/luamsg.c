/* usage: luamsg DIR
 *
 * Measures the conversion of bytes into a Lua table and back, in nanoseconds: a task of 175 bytes, and a list of
 * twenty. DIR holds the .proto files of the package `tasks` with TaskList (test/luamsg). The best of several rounds
 * counts. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "bind/base/bind.h"
#include "bind/message/decode.h"
#include "bind/message/message.h"
#include "bind/base/openers.h"
#include "schema/load/load.h"

static struct mw_vm vm;
static struct mw_program program;

struct subject {
  const struct mw_message_type *type;
  struct mw_slice bytes;
  int table; /* stack index */
};

static void unpack(lua_State *L, const struct subject *subject) {
  ProtobufCMessage *message;
  if (mw_message_unpack(subject->type, subject->bytes, mw_vm_scratch(&vm), &message, NULL) != 0) abort();
}

static void decode(lua_State *L, const struct subject *subject) {
  if (mw_bind_push_bytes(L, &program, subject->type, subject->bytes, NULL) != 0) abort();
  lua_pop(L, 1);
}

static void encode(lua_State *L, const struct subject *subject) {
  static uint8_t out[1 << 16];
  ProtobufCMessage *message;
  if (mw_bind_to_message(L, subject->table, &program, subject->type, mw_vm_scratch(&vm), &message, NULL) != 0) abort();
  if (mw_message_size(message) > sizeof out) abort();
  mw_message_pack(message, out);
}

static double measure(lua_State *L, void (*run)(lua_State *L, const struct subject *subject),
                      const struct subject *subject) {
  enum { ROUNDS = 10, MS = 100 };
  double best = 1e9;
  for (int round = 0; round < ROUNDS; round++) {
    int64_t start = mw_clock_mono(), end;
    long n = 0;
    do {
      for (int i = 0; i < 100; i++) run(L, subject);
      n += 100;
      end = mw_clock_mono();
    } while (end - start < (int64_t)MS * MW_NS_PER_MS);
    double cost = (double)(end - start) / (double)n;
    if (cost < best) best = cost;
  }
  return best;
}

/* Makes the subject of the Lua expression `value`. Leaves its table and its bytes on the stack. */
static struct subject make_subject(lua_State *L, const char *type, const char *value) {
  struct subject subject = {.type = mw_pool_message(program.pool, type)};
  ProtobufCMessage *message;
  struct mw_err err = MW_ERR_INIT;
  if (!subject.type || luaL_dostring(L, value) != LUA_OK) luaL_error(L, "no type %s", type);
  if (mw_bind_to_message(L, -1, &program, subject.type, mw_vm_scratch(&vm), &message, &err) != 0) {
    mw_bind_raise_err(L, &err);
  }
  subject.bytes.len = mw_message_size(message);
  uint8_t *bytes = lua_newuserdatauv(L, subject.bytes.len, 0);
  mw_message_pack(message, bytes);
  subject.bytes.data = bytes;
  mw_bind_push_bytes(L, &program, subject.type, subject.bytes, NULL);
  subject.table = lua_gettop(L);
  return subject;
}

static void report(lua_State *L, const char *type, const char *value) {
  struct subject subject = make_subject(L, type, value);
  printf("%-16s %5zu bytes   unpack %6.0f   unpack and push %6.0f   read and pack %6.0f\n", type, subject.bytes.len,
         measure(L, unpack, &subject), measure(L, decode, &subject), measure(L, encode, &subject));
}

static int run(lua_State *L) {
  static const char task[] =
      "local t = {id='task-0001', title='Write the quarterly report', priority='HIGH', "
      "created_at=1700000000, description=('All of it, with figures. '):rep(5)}\n";
  char text[512];
  luaL_openlibs(L);
  lua_gc(L, LUA_GCINC, 0, 0, 0);
  lua_pushlightuserdata(L, &program);
  program.self_ref = luaL_ref(L, LUA_REGISTRYINDEX);
  lua_newtable(L);
  mw_bind_open_message(L, &program);
  snprintf(text, sizeof text, "%s return t", task);
  report(L, "tasks.Task", text);
  snprintf(text, sizeof text, "%s local l = {tasks={}} for i = 1, 20 do l.tasks[i] = t end return l", task);
  report(L, "tasks.TaskList", text);
  int64_t start = mw_clock_mono();
  mw_bind_open_message(L, &program);
  printf("opening %zu types takes %.0f us\n", mw_pool_message_count(program.pool),
         (double)(mw_clock_mono() - start) / 1e3);
  return 0;
}

int main(int argc, char **argv) {
  struct mw_err err = MW_ERR_INIT;
  if (argc != 2 || mw_schema_load(&program.pool, argv[1], &err) != 0) {
    fprintf(stderr, "%s\n", argc == 2 ? mw_err_text(&err) : "usage: luamsg DIR");
    return 2;
  }
  lua_State *L = luaL_newstate();
  program.vm = &vm;
  vm.L = L;
  mw_arena_init(&vm.scratch, 64 << 20);
  *(struct mw_vm **)lua_getextraspace(L) = &vm;
  lua_pushcfunction(L, run);
  if (lua_pcall(L, 0, 0, 0) != LUA_OK) fprintf(stderr, "%s\n", lua_tostring(L, -1));
  lua_close(L);
  mw_arena_fini(&vm.scratch);
  mw_pool_unref(program.pool);
  return 0;
}
