/* Functions with which a spec calls the folder's handlers and inspects them. */
#include <string.h>

#include "bind/call/handler.h"
#include "bind/client/push_client.h"
#include "cli/test/test.h"
#include "engine/inproc/inproc.h"

/* test.client(): a client as mw.client() returns it, on an in-process channel of its own */
static int l_client(lua_State *L) {
  struct mw_test *test = mw_test_of(L);
  struct mw_channel_config config = {.target = "inproc"};
  mw_bind_push_client(L, test->specs, test->inproc, &config);
  return 1;
}

/* test.disconnect() */
static int l_disconnect(lua_State *L) {
  mw_inproc_disconnect(mw_test_of(L)->inproc);
  return 0;
}

/* test.require(name): the handlers' instance of a module */
static int l_require(lua_State *L) {
  struct mw_test *test = mw_test_of(L);
  const char *name = luaL_checkstring(L, 1);
  if (mw_program_push_module(L, test->worker.programs.current->program, 1)) return 1;
  return luaL_error(L, "test.require: no module '%s' in the lua folder", name);
}

static void set_integer(lua_State *L, const char *name, uint64_t value) {
  lua_pushinteger(L, (lua_Integer)value);
  lua_setfield(L, -2, name);
}

static void push_call(lua_State *L, const struct mw_call *call) {
  char place[256];
  mw_bind_call_place(call, place, sizeof place);
  lua_createtable(L, 0, 6);
  lua_pushstring(L, call->route->method->path + 1);
  lua_setfield(L, -2, "method");
  lua_pushstring(L, place);
  lua_setfield(L, -2, "at");
  set_integer(L, "received", call->received);
  set_integer(L, "sent", call->sent);
  set_integer(L, "unsent", call->unsent);
  lua_pushboolean(L, call->cancelled);
  lua_setfield(L, -2, "cancelled");
}

/* test.calls(): the live calls of handlers, in order of arrival */
static int l_calls(lua_State *L) {
  const struct mw_list *calls = &mw_test_of(L)->worker.dispatch.calls;
  lua_Integer n = 0;
  lua_newtable(L);
  for (const struct mw_list *node = calls->next; node != calls; node = node->next) {
    push_call(L, MW_CONTAINER(node, struct mw_call, link));
    lua_rawseti(L, -2, ++n);
  }
  return 1;
}

/* Pushes a copy of the log. Calls no function of Lua, which may raise, under the lock. */
static void push_log(lua_State *L, struct mw_test *test) {
  pthread_mutex_lock(&test->log_lock);
  size_t len = test->log.len;
  pthread_mutex_unlock(&test->log_lock);
  char *copy = lua_newuserdatauv(L, len + 1, 0);
  pthread_mutex_lock(&test->log_lock);
  memcpy(copy, mw_buf_str(&test->log), len);
  pthread_mutex_unlock(&test->log_lock);
  lua_pushlstring(L, copy, len);
}

/* test.logs(): the lines since the start of the test */
static int l_logs(lua_State *L) {
  push_log(L, mw_test_of(L));
  const char *text = lua_tostring(L, -1), *end;
  lua_newtable(L);
  for (lua_Integer n = 1; (end = strchr(text, '\n')) != NULL; n++, text = end + 1) {
    lua_pushlstring(L, text, (size_t)(end - text));
    lua_rawseti(L, -2, n);
  }
  return 1;
}

void mw_test_inspect_open(lua_State *L, struct mw_test *test) {
  static const luaL_Reg functions[] = {{"client", l_client},   {"disconnect", l_disconnect},
                                       {"require", l_require}, {"calls", l_calls},
                                       {"logs", l_logs},       {NULL, NULL}};
  lua_pushlightuserdata(L, test);
  luaL_setfuncs(L, functions, 1);
}
