/* mw.client: outbound calls.
 *
 *   local client = mw.client("host:port", {tls = true})
 *   local tasks = client:service "tasks.TaskService"
 *   local task, status = tasks:GetTask({id = "task-0001"}, {deadline = 1})
 *   local stream <close> = tasks:ListTasks {}
 *   for task in stream:messages() do ... end */
#include "bind/client/client.h"

#include <stdio.h>

#include "bind/base/buffer.h"
#include "bind/base/openers.h"
#include "bind/base/options.h"
#include "bind/base/unknown.h"
#include "bind/client/push_client.h"
#include "bind/message/packed.h"
#include "script/state/collect.h"

#define CLIENT "moonwire.Client"
#define CHANNEL "moonwire.Channel"
#define CHANNELS "moonwire.channels" /* in the registry: options as text -> channel, weak */
#define STUB "moonwire.Stub"

/* ---- channels ---- */

static int l_channel_gc(lua_State *L) {
  struct mw_bind_channel *channel = lua_touserdata(L, 1);
  if (channel->channel) mw_collect_descriptor(mw_vm_of(L), -1);
  mw_client_channel_close(channel->channel);
  channel->channel = NULL;
  return 0;
}

static const luaL_Reg channel_metamethods[] = {{"__gc", l_channel_gc}, {NULL, NULL}};

/* Pushes the open channels by their keys. The table is weak: unused channels are collected. */
static void push_channels(lua_State *L) {
  if (lua_getfield(L, LUA_REGISTRYINDEX, CHANNELS) == LUA_TTABLE) return;
  lua_pop(L, 1);
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_pushliteral(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, CHANNELS);
}

/* Appends "name=value;" to the key of a channel. */
static void add_key(lua_State *L, struct mw_buf *key, const char *name, const char *value) {
  if (!value) return;
  if (mw_buf_printf(key, "%s=%zu:%s;", name, strlen(value), value) != 0) mw_budget_refuse(L);
}

static void make_key(lua_State *L, const struct mw_channel_config *config) {
  char size[24];
  snprintf(size, sizeof size, "%zu", config->max_receive_bytes);
  struct mw_buf *key = mw_bind_push_buffer(L);
  add_key(L, key, "target", config->target);
  add_key(L, key, "tls", config->tls ? "" : NULL);
  add_key(L, key, "ca", config->ca_file);
  add_key(L, key, "cert", config->cert_file);
  add_key(L, key, "key", config->key_file);
  add_key(L, key, "authority", config->authority);
  add_key(L, key, "service_config", config->service_config);
  add_key(L, key, "load_balancing", config->load_balancing);
  add_key(L, key, "max", size);
  lua_pushlstring(L, mw_buf_str(key), key->len);
  lua_closeslot(L, -2);
  lua_remove(L, -2);
}

/* Pushes a channel of `engine`, which may be NULL. */
static struct mw_bind_channel *push_new_channel(lua_State *L, struct mw_program *program, struct mw_engine *engine,
                                                const struct mw_channel_config *config) {
  struct mw_bind_channel *channel = lua_newuserdatauv(L, sizeof *channel, 0);
  *channel = (struct mw_bind_channel){NULL};
  mw_bind_push_type(L, CHANNEL, NULL, channel_metamethods);
  lua_setmetatable(L, -2);
  struct mw_err err = MW_ERR_INIT;
  if (engine && mw_client_channel_open(engine, program->host->loop, config, &channel->channel, &err) != 0) {
    mw_err_wrap(&err, "mw.client");
    mw_bind_raise_err(L, &err);
  }
  if (channel->channel) mw_collect_descriptor(mw_vm_of(L), 1);
  return channel;
}

/* Pushes the channel of `config`. Opens it if there is none. */
static struct mw_bind_channel *push_channel(lua_State *L, struct mw_program *program,
                                            const struct mw_channel_config *config) {
  push_channels(L);
  make_key(L, config);
  lua_pushvalue(L, -1);
  if (lua_rawget(L, -3) == LUA_TUSERDATA) {
    lua_replace(L, -3);
    lua_pop(L, 1);
    return lua_touserdata(L, -1);
  }
  lua_pop(L, 1);
  struct mw_bind_channel *channel = push_new_channel(L, program, program->host->channels, config);
  lua_insert(L, -2);
  lua_pushvalue(L, -2);
  lua_rawset(L, -4);
  lua_remove(L, -2);
  return channel;
}

/* ---- mw.client(target, options) ---- */

enum { TEXT_MAX = 64 * 1024, SERVICE_CONFIG_MAX = 1024 * 1024 }; /* bytes; the engine copies an option many times */

/* Raises for an option of more than `most` bytes at `index`. */
static void check_length(lua_State *L, int index, const char *name, size_t most) {
  size_t len = lua_rawlen(L, index);
  if (len > most) {
    luaL_error(L, "mw.client: %s: expected at most %I bytes, got %I", name, (lua_Integer)most, (lua_Integer)len);
  }
}

/* Returns the string option at the top of the stack. `base` is the folder of a relative path, or NULL if the option is
 * no path. The string stays on the stack. */
static const char *check_string(lua_State *L, const char *name, const char *base) {
  if (lua_type(L, -1) != LUA_TSTRING) {
    luaL_error(L, "mw.client: %s: expected a string, got %s", name, luaL_typename(L, -1));
  }
  check_length(L, -1, name, TEXT_MAX);
  const char *text = lua_tostring(L, -1);
  if (strlen(text) != lua_rawlen(L, -1)) luaL_error(L, "mw.client: %s: expected a string without a zero byte", name);
  if (base && text[0] != '/') text = lua_pushfstring(L, "%s/%s", base, text);
  return text;
}

/* Returns JSON text. mw.json encodes a table. */
static const char *check_json(lua_State *L, struct mw_program *program) {
  if (lua_type(L, -1) == LUA_TSTRING) {
    check_length(L, -1, "service_config", SERVICE_CONFIG_MAX);
    return lua_tostring(L, -1);
  }
  if (!lua_istable(L, -1))
    luaL_error(L, "mw.client: service_config: expected a table or JSON, got %s", luaL_typename(L, -1));
  if (lua_rawgeti(L, LUA_REGISTRYINDEX, program->modules_ref) != LUA_TTABLE) {
    luaL_error(L,
               "mw.client: service_config: expected JSON text, got a table: "
               "the generation of this function has ended");
  }
  lua_getfield(L, -1, "moonwire");
  lua_getfield(L, -1, "json");
  lua_getfield(L, -1, "encode");
  lua_pushvalue(L, -5);
  lua_call(L, 1, 1);
  check_length(L, -1, "service_config", SERVICE_CONFIG_MAX);
  return lua_tostring(L, -1);
}

static size_t check_size(lua_State *L, const char *name) {
  lua_Integer size = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
  if (size <= 0) luaL_error(L, "mw.client: %s: expected a number of bytes", name);
  return (size_t)size;
}

/* Reads the option `name` at the top of the stack. The values that it leaves there keep the strings alive. */
static void read_option(lua_State *L, struct mw_program *program, const char *name, struct mw_channel_config *config,
                        bool *wait_for_ready) {
  const char *dir = program->host->dir ? program->host->dir : ".";
  if (strcmp(name, "target") == 0) {
    config->target = check_string(L, name, NULL);
  } else if (strcmp(name, "tls") == 0) {
    config->tls = lua_toboolean(L, -1);
  } else if (strcmp(name, "ca") == 0) {
    config->ca_file = check_string(L, name, dir);
  } else if (strcmp(name, "cert") == 0) {
    config->cert_file = check_string(L, name, dir);
  } else if (strcmp(name, "key") == 0) {
    config->key_file = check_string(L, name, dir);
  } else if (strcmp(name, "authority") == 0) {
    config->authority = check_string(L, name, NULL);
  } else if (strcmp(name, "load_balancing") == 0) {
    config->load_balancing = check_string(L, name, NULL);
  } else if (strcmp(name, "service_config") == 0) {
    config->service_config = check_json(L, program);
  } else if (strcmp(name, "max_receive_bytes") == 0) {
    config->max_receive_bytes = check_size(L, name);
  } else {
    *wait_for_ready = lua_toboolean(L, -1);
  }
}

static const char *const option_names[] = {
    "target",         "tls", "ca", "cert", "key", "authority", "load_balancing", "service_config", "max_receive_bytes",
    "wait_for_ready", NULL};

enum { N_OPTIONS = sizeof option_names / sizeof *option_names - 1 };

static void read_options(lua_State *L, int index, struct mw_program *program, struct mw_channel_config *config,
                         bool *wait_for_ready) {
  if (!mw_bind_check_options(L, index, "mw.client", option_names)) return;
  luaL_checkstack(L, 4 * N_OPTIONS, NULL);
  for (size_t i = 0; i < N_OPTIONS; i++) {
    if (mw_bind_get_option(L, index, option_names[i]) != LUA_TNIL) {
      read_option(L, program, option_names[i], config, wait_for_ready);
    }
  }
}

static void push_client_type(lua_State *L);

/* Makes a client. It replaces the program at the top and the channel below. */
static void make_client(lua_State *L, struct mw_program *program, struct mw_bind_channel *channel,
                        bool wait_for_ready) {
  struct mw_bind_client *client = lua_newuserdatauv(L, sizeof *client, 2);
  *client = (struct mw_bind_client){program, channel, wait_for_ready};
  lua_insert(L, -3);
  lua_setiuservalue(L, -3, 2);
  lua_setiuservalue(L, -2, 1);
  push_client_type(L);
  lua_setmetatable(L, -2);
}

void mw_bind_push_client(lua_State *L, struct mw_program *program, struct mw_engine *engine,
                         const struct mw_channel_config *config) {
  struct mw_bind_channel *channel = push_new_channel(L, program, engine, config);
  mw_program_push(L, program);
  make_client(L, program, channel, false);
}

/* mw.client(target [, options]) or mw.client{target = ..., ...} */
static int l_client(lua_State *L) {
  struct mw_program *program = mw_bind_program(L);
  struct mw_channel_config config = {0};
  bool wait_for_ready = false;
  lua_settop(L, 2);
  if (lua_type(L, 1) == LUA_TSTRING) {
    lua_pushvalue(L, 1);
    config.target = check_string(L, "target", NULL);
    read_options(L, 2, program, &config, &wait_for_ready);
  } else {
    luaL_argexpected(L, lua_istable(L, 1), 1, "target or table");
    read_options(L, 1, program, &config, &wait_for_ready);
  }
  if (config.ca_file || config.cert_file) config.tls = true;
  if (!config.target || !config.target[0]) return luaL_error(L, "mw.client: no target, expected \"host:port\"");
  struct mw_bind_channel *channel = push_channel(L, program, &config);
  lua_pushvalue(L, lua_upvalueindex(1)); /* the program, which may be retired */
  make_client(L, program, channel, wait_for_ready);
  return 1;
}

/* ---- calling ---- */

static struct mw_bind_client *check_client(lua_State *L, int index) {
  return index == 1 ? mw_bind_check_self(L, CLIENT) : luaL_checkudata(L, index, CLIENT);
}

/* Raises unless the value at index 1 is a stub: after a dot in place of a colon, it is the request. */
static void check_stub(lua_State *L, const struct mw_method_type *method) {
  bool is_stub = luaL_getmetafield(L, 1, "__metatable") == LUA_TSTRING && strcmp(lua_tostring(L, -1), STUB) == 0;
  if (!is_stub) {
    luaL_error(L,
               "%s: expected a stub before a colon, got %s as the first argument: write stub:%s(...), not stub.%s(...)",
               method->path, luaL_typename(L, 1), method->name, method->name);
  }
  lua_pop(L, 1);
}

/* stub:Method(request, options). A streamed request has no argument. Upvalues: program, method, client. */
static int l_method(lua_State *L) {
  const struct mw_method_type *method = lua_touserdata(L, lua_upvalueindex(2));
  int client_index = lua_upvalueindex(3);
  struct mw_bind_client *client = lua_touserdata(L, client_index);
  bool streams = method->client_streaming;
  check_stub(L, method);
  lua_settop(L, streams ? 2 : 3);
  lua_pushvalue(L, client_index);
  int index = lua_gettop(L);
  if (!streams && !lua_istable(L, 2) && !mw_packed_at(L, 2)) {
    return luaL_error(L, "%s: expected a request table, got %s", method->path, luaL_typename(L, 2));
  }
  if (!streams && !method->server_streaming) return mw_bind_call_unary(L, index, client, method, 2, 3);
  return mw_bind_push_stream(L, index, client, method, streams ? 0 : 2, streams ? 2 : 3, method->path);
}

/* ---- client:service(name) ---- */

static const struct mw_service_type *check_service(lua_State *L, struct mw_program *program, const char *who,
                                                   const char *name) {
  const struct mw_service_type *service = mw_pool_service(program->pool, name);
  if (!service) mw_bind_no_service(L, who, program->pool, name);
  return service;
}

/* __index of stubs. Upvalues: program, service. */
static int l_no_method(lua_State *L) {
  const struct mw_service_type *service = lua_touserdata(L, lua_upvalueindex(2));
  const char *name = luaL_tolstring(L, 2, NULL);
  return mw_bind_no_method(L, service->full_name, service, name, name);
}

/* __tostring of stubs: the service and its methods, each with its kind of stream. Upvalues: program, service. */
static int l_show_stub(lua_State *L) {
  static const char *const kinds[2][2] = {{"", " (server streaming)"}, {" (client streaming)", " (bidirectional)"}};
  const struct mw_service_type *service = lua_touserdata(L, lua_upvalueindex(2));
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  luaL_addstring(&out, service->full_name);
  for (size_t i = 0; i < service->n_methods; i++) {
    const struct mw_method_type *method = &service->methods[i];
    luaL_addstring(&out, i > 0 ? ", " : ": ");
    luaL_addstring(&out, method->name);
    luaL_addstring(&out, kinds[method->client_streaming][method->server_streaming]);
  }
  luaL_pushresult(&out);
  return 1;
}

/* Adds a metamethod to the table at the top. Its upvalues are the program and the service. The client is at index 1. */
static void add_stub_function(lua_State *L, const char *name, lua_CFunction f, const struct mw_service_type *service) {
  lua_getiuservalue(L, 1, 2);
  lua_pushlightuserdata(L, (void *)(uintptr_t)service);
  lua_pushcclosure(L, f, 2);
  lua_setfield(L, -2, name);
}

static int l_service(lua_State *L) {
  struct mw_bind_client *client = check_client(L, 1);
  const struct mw_service_type *service = check_service(L, client->program, "client:service", mw_bind_check_name(L, 2));
  lua_createtable(L, 0, (int)service->n_methods);
  for (size_t i = 0; i < service->n_methods; i++) {
    lua_getiuservalue(L, 1, 2);
    lua_pushlightuserdata(L, (void *)(uintptr_t)&service->methods[i]);
    lua_pushvalue(L, 1);
    lua_pushcclosure(L, l_method, 3);
    lua_setfield(L, -2, service->methods[i].name);
  }
  lua_createtable(L, 0, 4);
  add_stub_function(L, "__index", l_no_method, service);
  add_stub_function(L, "__tostring", l_show_stub, service);
  lua_pushliteral(L, STUB);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__name");
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
  return 1;
}

/* ---- client:call(path, ...), client:stream(path, ...) ---- */

/* The method of "package.Service/Method". A slash may precede the name. */
static const struct mw_method_type *check_method(lua_State *L, struct mw_program *program, const char *who) {
  const char *path = mw_bind_check_name(L, 2);
  if (path[0] == '/') path++;
  const char *slash = strrchr(path, '/');
  if (!slash) luaL_error(L, "%s: expected \"package.Service/Method\", got \"%s\"", who, path);
  lua_pushlstring(L, path, (size_t)(slash - path));
  const struct mw_service_type *service = check_service(L, program, who, lua_tostring(L, -1));
  lua_pop(L, 1);
  for (size_t i = 0; i < service->n_methods; i++) {
    if (strcmp(service->methods[i].name, slash + 1) == 0) return &service->methods[i];
  }
  mw_bind_no_method(L, who, service, path, slash + 1);
  return NULL;
}

/* client:call("package.Service/Method", request, options) */
static int l_call(lua_State *L) {
  struct mw_bind_client *client = check_client(L, 1);
  const struct mw_method_type *method = check_method(L, client->program, "client:call");
  if (method->client_streaming || method->server_streaming) {
    return luaL_error(L, "client:call: %s streams: use client:stream", method->path);
  }
  if (!mw_packed_at(L, 3)) luaL_checktype(L, 3, LUA_TTABLE);
  lua_settop(L, 4);
  return mw_bind_call_unary(L, 1, client, method, 3, 4);
}

/* client:stream("package.Service/Method" [, request], options). The request is absent if it is streamed. */
static int l_stream(lua_State *L) {
  struct mw_bind_client *client = check_client(L, 1);
  const struct mw_method_type *method = check_method(L, client->program, "client:stream");
  if (!method->client_streaming && !method->server_streaming) {
    return luaL_error(L, "client:stream: %s does not stream: use client:call", method->path);
  }
  bool streams = method->client_streaming;
  if (!streams && !mw_packed_at(L, 3)) luaL_checktype(L, 3, LUA_TTABLE);
  lua_settop(L, streams ? 3 : 4);
  return mw_bind_push_stream(L, 1, client, method, streams ? 0 : 3, streams ? 3 : 4, "client:stream");
}

static void push_client_type(lua_State *L) {
  static const luaL_Reg methods[] = {{"service", l_service}, {"call", l_call}, {"stream", l_stream}, {NULL, NULL}};
  mw_bind_push_type(L, CLIENT, methods, NULL);
}

void mw_bind_open_client(lua_State *L, struct mw_program *program) {
  static const luaL_Reg functions[] = {{"client", l_client}, {NULL, NULL}};
  mw_bind_functions(L, program, functions);
}
