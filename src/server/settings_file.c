/* moonwire.lua: a Lua file that returns a table of settings. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "server/server.h"
#include "server/settings.h"

/* How a setting is written. */
enum kind { NUMBER, INTEGER, SIZE, ENGINE, PATH, SWITCH, LEVEL, ADDRESSES };

struct setting {
  const char *group; /* "limits", or NULL at the top */
  const char *name;
  enum kind kind;
  size_t offset; /* of its member in struct mw_settings */
  double min, max;
  const char *expectation;
};

#define AT(member) offsetof(struct mw_settings, member)
static const struct setting settings_table[] = {
    {NULL, "listen", ADDRESSES, 0, 0, 0, "\"HOST:PORT\", or a list of at most 16"},
    {NULL, "engine", ENGINE, AT(engine), 0, 0, MW_SERVER_ENGINES},
    {NULL, "workers", INTEGER, AT(workers), 1, 256, "an integer from 1 to 256"},
    {NULL, "data", PATH, AT(data), 0, 0, "a folder or \":memory:\""},
    {NULL, "log_level", LEVEL, 0, 0, 0, "\"debug\", \"info\", \"warn\", \"error\" or \"off\""},
    {NULL, "grace", NUMBER, AT(grace), 0, 86400, "seconds from 0 to 86400"},
    {NULL, "generation_age", NUMBER, AT(generation_age), 0, 1e9, "seconds from 0 (no limit) to 1e9"},
    {NULL, "dev", SWITCH, AT(dev), 0, 0, "true or false"},
    {"tls", "cert", PATH, AT(tls_cert), 0, 0, "a PEM file"},
    {"tls", "key", PATH, AT(tls_key), 0, 0, "a PEM file"},
    {"tls", "client_ca", PATH, AT(tls_client_ca), 0, 0, "a PEM file"},
    {"limits", "message_bytes", SIZE, AT(message_bytes), 1, 2147483647, "bytes from 1 to 2147483647"},
    {"limits", "metadata_bytes", SIZE, AT(metadata_bytes), 1024, 16777216, "bytes from 1024 to 16777216"},
    {"limits", "unpack_bytes", SIZE, AT(unpack_bytes), 4096, 1e12, "bytes from 4096 to 1e12"},
    {"limits", "unsent_messages", INTEGER, AT(unsent_messages), 1, 1e6, "an integer from 1 to 1000000"},
    {"limits", "slice_ms", NUMBER, AT(slice_ms), 0, 3600000, "milliseconds from 0 to 3600000"},
    {"limits", "memory_bytes", SIZE, AT(memory_bytes), 0, 1e12, "bytes from 0 to 1e12"},
    {"store", "map_bytes", SIZE, AT(store_bytes), 1048576, 1e15, "bytes from 1048576 to 1e15"},
};
enum { N_SETTINGS = sizeof settings_table / sizeof *settings_table };

struct reading {
  struct mw_settings *settings;
  const char *dir;
  const char *file;
  struct mw_err *err;
  int failed; /* the last error code */
};

/* Sets a path; one that is relative to `dir` becomes relative to the working directory. */
static int set_path(char **field, const char *dir, const char *path) {
  if (path[0] == '/' || strcmp(dir, ".") == 0 || strcmp(path, ":memory:") == 0) return mw_settings_set(field, path);
  char *joined;
  if (asprintf(&joined, "%s/%s", dir, path) < 0) return MW_ENOMEM;
  free(*field);
  *field = joined;
  return 0;
}

static int add_listener(lua_State *L, struct mw_settings *settings) {
  if (lua_type(L, -1) != LUA_TSTRING) return MW_EINVAL;
  return mw_settings_add_listener(settings, lua_tostring(L, -1));
}

/* The value at the top: one address or a sequence of them. */
static int set_listeners(lua_State *L, struct mw_settings *settings) {
  mw_settings_clear_listeners(settings);
  if (!lua_istable(L, -1)) return add_listener(L, settings);
  size_t n = lua_rawlen(L, -1);
  int rc = n == 0 ? MW_EINVAL : 0;
  for (size_t i = 1; i <= n && rc == 0; i++) {
    lua_rawgeti(L, -1, (lua_Integer)i);
    rc = add_listener(L, settings);
    lua_pop(L, 1);
  }
  return rc;
}

static int set_number(lua_State *L, const struct setting *setting, void *field) {
  if (lua_type(L, -1) != LUA_TNUMBER) return MW_EINVAL;
  double value = lua_tonumber(L, -1);
  if (!(value >= setting->min && value <= setting->max)) return MW_EINVAL;
  if (setting->kind == NUMBER) {
    *(double *)field = value;
    return 0;
  }
  int exact;
  lua_Integer integer = lua_tointegerx(L, -1, &exact);
  if (!exact) return MW_EINVAL;
  if (setting->kind == INTEGER) {
    *(unsigned *)field = (unsigned)integer;
  } else {
    *(size_t *)field = (size_t)integer;
  }
  return 0;
}

static int set_text(lua_State *L, const struct reading *reading, const struct setting *setting, void *field) {
  if (lua_type(L, -1) != LUA_TSTRING) return MW_EINVAL;
  const char *text = lua_tostring(L, -1);
  if (setting->kind == PATH) return set_path(field, reading->dir, text);
  if (setting->kind == ENGINE) return mw_server_engine(text) ? mw_settings_set(field, text) : MW_EINVAL;
  int level = mw_log_level_from_name(text);
  if (level < 0) return MW_EINVAL;
  reading->settings->log_level = (enum mw_log_level)level;
  return 0;
}

/* Takes the value at the top. Returns 0, MW_ENOMEM, or another error when it is not what the setting expects. */
static int set(lua_State *L, const struct reading *reading, const struct setting *setting) {
  void *field = (char *)reading->settings + setting->offset;
  switch (setting->kind) {
    case ADDRESSES:
      return set_listeners(L, reading->settings);
    case NUMBER:
    case INTEGER:
    case SIZE:
      return set_number(L, setting, field);
    case SWITCH:
      if (!lua_isboolean(L, -1)) return MW_EINVAL;
      *(bool *)field = lua_toboolean(L, -1);
      return 0;
    default:
      return set_text(L, reading, setting, field);
  }
}

/* ---- names ---- */

static bool in_group(const struct setting *setting, const char *group) {
  return group ? setting->group && strcmp(setting->group, group) == 0 : !setting->group;
}

static const struct setting *find(const char *group, const char *name) {
  for (size_t i = 0; i < N_SETTINGS; i++) {
    if (in_group(&settings_table[i], group) && strcmp(settings_table[i].name, name) == 0) return &settings_table[i];
  }
  return NULL;
}

static bool is_group(const char *name) {
  for (size_t i = 0; i < N_SETTINGS; i++) {
    if (in_group(&settings_table[i], name)) return true;
  }
  return false;
}

/* A name that could stand in `group`: of a setting, and at the top of a group too. */
static const char *name_at(const void *group, size_t i) {
  if (i >= N_SETTINGS) return group ? NULL : settings_table[i - N_SETTINGS].group;
  return in_group(&settings_table[i], group) ? settings_table[i].name : NULL;
}

/* ---- the file ---- */

static void report(struct reading *reading, const char *group, const char *name, const char *text, const char *more) {
  const char *dot = group ? "." : "", *before = group ? group : "";
  mw_err_add(reading->err, MW_EINVAL, "%s: %s%s%s: %s%s", reading->file, before, dot, name, text, more);
  reading->failed = MW_EINVAL;
}

static void report_unknown(struct reading *reading, const char *group, const char *name) {
  const char *near = mw_nearest(name, (size_t)N_SETTINGS * 2, name_at, group);
  report(reading, group, name, near ? "no such setting; did you mean " : "no such setting", near ? near : "");
}

static void read_group(lua_State *L, struct reading *reading, const char *group);

/* Takes the entry whose value is at the top. */
static void read_entry(lua_State *L, struct reading *reading, const char *group, const char *name) {
  const struct setting *setting = find(group, name);
  if (setting) {
    int rc = set(L, reading, setting);
    if (rc == MW_ENOMEM) luaL_error(L, "out of memory");
    if (rc != 0) report(reading, group, name, "expected ", setting->expectation);
  } else if (!group && is_group(name) && lua_istable(L, -1)) {
    read_group(L, reading, name);
  } else if (!group && is_group(name)) {
    report(reading, group, name, "expected a table", "");
  } else {
    report_unknown(reading, group, name);
  }
}

/* Reads the table at the top; every wrong entry is a finding. */
static void read_group(lua_State *L, struct reading *reading, const char *group) {
  luaL_checkstack(L, 6, NULL);
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    if (lua_type(L, -2) == LUA_TSTRING) {
      read_entry(L, reading, group, lua_tostring(L, -2));
    } else {
      report(reading, group, "[...]", "settings have names", "");
    }
    lua_pop(L, 1);
  }
}

static int run_file(lua_State *L) {
  struct reading *reading = lua_touserdata(L, 1);
  luaL_openlibs(L);
  if (luaL_loadfilex(L, reading->file, "t") != LUA_OK) return lua_error(L);
  lua_call(L, 0, 1);
  if (!lua_istable(L, -1)) {
    return luaL_error(L, "%s: expected the file to return a table of settings, got %s", reading->file,
                      luaL_typename(L, -1));
  }
  read_group(L, reading, NULL);
  return 0;
}

/* The words of the error at the top. Outside of a protected call: no metamethod may run. */
static const char *error_text(lua_State *L) {
  return lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : luaL_typename(L, -1);
}

int mw_settings_read(struct mw_settings *settings, const char *dir, struct mw_err *err) {
  char *file = NULL;
  if (set_path(&file, dir, "moonwire.lua") != 0) return mw_err_set(err, MW_ENOMEM, "out of memory");
  struct reading reading = {settings, dir, file, err, 0};
  if (access(file, F_OK) == 0) {
    lua_State *L = luaL_newstate();
    if (L) {
      lua_pushcfunction(L, run_file);
      lua_pushlightuserdata(L, &reading);
    }
    if (!L) {
      reading.failed = mw_err_set(err, MW_ENOMEM, "out of memory");
    } else if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
      reading.failed = mw_err_add(err, MW_EINVAL, "%s", error_text(L));
    }
    if (L) lua_close(L);
  }
  free(file);
  return reading.failed;
}
