/* moonwire.lua: a Lua file that returns a table of settings. It runs in a Lua state of its own, in the environment of
 * scripts and within limits like theirs, so that a mistake in it cannot block the server. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "script/open.h"
#include "script/program/environment.h"
#include "script/state/vm.h"
#include "server/settings/engines.h"
#include "server/settings/listener.h"
#include "server/settings/settings.h"
#include "server/settings/settings_line.h"

/* The type of a setting's value. */
enum kind { NUMBER, INTEGER, SIZE, ENGINE, PATH, SWITCH, LEVEL, ADDRESSES, FOLDERS, PROTOS };

struct setting {
  const char *group; /* "limits"; NULL at the top level */
  const char *name;
  enum kind kind;
  size_t offset; /* of the member in struct mw_settings */
  double min, max;
  const char *expectation;
  bool fixed; /* takes effect only when a server starts */
};

#define AT(member) offsetof(struct mw_settings, member)
/* Kind and offset of a member; the kind follows from its C type. */
#define MEMBER(member) \
  _Generic(((struct mw_settings *)NULL)->member, double: NUMBER, unsigned: INTEGER, size_t: SIZE, bool: SWITCH, \
           char *: PATH), \
      AT(member)
#define KEPT "seconds from 0 (no limit) to 1e6"
static const struct setting settings_table[] = {
    {NULL, "listen", ADDRESSES, 0, 0, 0, "\"HOST:PORT\" or \"unix:PATH\", or a list of at most 16", true},
    {NULL, "engine", ENGINE, AT(engine), 0, 0, MW_SERVER_ENGINES, true},
    {NULL, "workers", MEMBER(workers), 1, 256, "an integer from 1 to 256", true},
    {NULL, "data", MEMBER(data), 0, 0, "a folder or \":memory:\"", true},
    {NULL, "log_level", LEVEL, 0, 0, 0, "\"debug\", \"info\", \"warn\", \"error\" or \"off\"", false},
    {NULL, "grace", MEMBER(grace), 0, 86400, "seconds from 0 to 86400", false},
    {NULL, "generation_age", MEMBER(generation_age), 0, 1e9, "seconds from 0 (no limit) to 1e9", false},
    {NULL, "dev", MEMBER(dev), 0, 0, "true or false", false},
    {NULL, "health", MEMBER(health), 0, 0, "true or false", false},
    {NULL, "reflection", MEMBER(reflection), 0, 0, "true or false", false},
    {NULL, "proto", PROTOS, 0, 0, 0, "a folder, or a list of 1 to 16", false},
    {"files", "folders", FOLDERS, 0, 0, 0, "an absolute path, or a list of at most 16, without \"..\"", true},
    {"reload", "specs", MEMBER(specs), 0, 0, "true or false", false},
    {"reload", "protoc_seconds", MEMBER(protoc_seconds), 1, 86400, "seconds from 1 to 86400", false},
    {"reload", "specs_seconds", MEMBER(specs_seconds), 1, 86400, "seconds from 1 to 86400", false},
    {"test", "seconds", MEMBER(test_seconds), 0, 86400, "seconds from 0 (no limit) to 86400", false},
    {"tls", "cert", MEMBER(tls_cert), 0, 0, "a PEM file", true},
    {"tls", "key", MEMBER(tls_key), 0, 0, "a PEM file", true},
    {"tls", "client_ca", MEMBER(tls_client_ca), 0, 0, "a PEM file", true},
    {"limits", "message_bytes", MEMBER(message_bytes), 1, 2147483647, "bytes from 1 to 2147483647", true},
    {"limits", "metadata_bytes", MEMBER(metadata_bytes), 1024, 16777216, "bytes from 1024 to 16777216", true},
    {"limits", "unpack_bytes", MEMBER(unpack_bytes), 4096, 1e12, "bytes from 4096 to 1e12", false},
    {"limits", "unsent_messages", MEMBER(unsent_messages), 1, 1e6, "an integer from 1 to 1000000", false},
    {"limits", "slice_ms", MEMBER(slice_ms), 0, 3600000, "milliseconds from 0 to 3600000", false},
    {"limits", "memory_bytes", MEMBER(memory_bytes), 0, 1e12, "bytes from 0 to 1e12", false},
    {"limits", "weak_keys", MEMBER(weak_keys), 0, 1e9, "an integer from 0 to 1e9", false},
    {"limits", "connections", MEMBER(clients.connections), 1, 1e6, "an integer from 1 to 1000000", true},
    {"limits", "streams", MEMBER(clients.streams), 1, 1e6, "an integer from 1 to 1000000", true},
    {"limits", "stream_resets", MEMBER(clients.stream_resets), 1, 1e9, "an integer from 1 to 1e9", true},
    {"limits", "control_frames", MEMBER(clients.control_frames), 100, 1e9, "an integer from 100 to 1e9", true},
    {"limits", "handshake_seconds", MEMBER(clients.handshake_seconds), 0.01, 86400, "seconds from 0.01 to 86400", true},
    {"limits", "message_seconds", MEMBER(clients.message_seconds), 0.01, 86400, "seconds from 0.01 to 86400", true},
    {"limits", "send_seconds", MEMBER(clients.send_seconds), 0.01, 86400, "seconds from 0.01 to 86400", true},
    {"limits", "buffer_bytes", MEMBER(clients.buffer_bytes), 65536, 1e12, "bytes from 65536 to 1e12", true},
    {"keepalive", "time", MEMBER(keepalive.time), 0, 1e6, "seconds from 0 (never) to 1e6", true},
    {"keepalive", "timeout", MEMBER(keepalive.timeout), 0.01, 1e6, "seconds from 0.01 to 1e6", true},
    {"keepalive", "min_time", MEMBER(keepalive.min_time), 0, 1e6, KEPT, true},
    {"keepalive", "permit_without_stream", MEMBER(keepalive.permit_without_stream), 0, 0, "true or false", true},
    {"keepalive", "max_connection_idle", MEMBER(keepalive.max_connection_idle), 0, 1e6, KEPT, true},
    {"keepalive", "max_connection_age", MEMBER(keepalive.max_connection_age), 0, 1e6, KEPT, true},
    {"keepalive", "max_connection_age_grace", MEMBER(keepalive.max_connection_age_grace), 0, 1e6, KEPT, true},
    {"store", "map_bytes", MEMBER(store_bytes), 1048576, 1e15, "bytes from 1048576 to 1e15", true},
    {"store", "snapshot_seconds", MEMBER(snapshot_seconds), 0, 1e9, "seconds from 0 (no limit) to 1e9", false},
};
enum { N_SETTINGS = sizeof settings_table / sizeof *settings_table };

enum {
  SLICE_MS = 100,     /* slice of the file; the file may run for ten slices */
  LOOK_SLICE_MS = 10, /* slice when only the folders of .proto files are read, which a save causes several times */
  MEMORY = 64 << 20,
  FILE_LIMIT = 1 << 20
};

struct reading {
  struct mw_settings *settings;
  const char *dir;
  const char *file;
  struct mw_slice text;
  struct mw_err *err;
  int failed;                    /* last error code */
  const struct setting *setting; /* the setting being read */
  bool refused;                  /* its value has been reported */
  char why[512];                 /* error text in place of the expectation; "" for none */
};

static void refuse_value(struct reading *reading);

/* Sets a path. A path relative to `dir` becomes relative to the working directory. */
static int set_path(char **field, const char *dir, const char *path) {
  if (path[0] == '/' || strcmp(dir, ".") == 0 || strcmp(path, ":memory:") == 0) return mw_settings_set(field, path);
  char *joined;
  if (asprintf(&joined, "%s/%s", dir, path) < 0) return MW_ENOMEM;
  free(*field);
  *field = joined;
  return 0;
}

static int add_address(struct reading *reading, const char *address) {
  struct mw_err err = MW_ERR_INIT;
  int rc = mw_listener_check_form(address, &err);
  if (rc != 0) snprintf(reading->why, sizeof reading->why, "%s", mw_err_text(&err));
  mw_err_fini(&err);
  return rc == 0 ? mw_settings_add_listener(reading->settings, address) : rc;
}

/* The path of a Unix socket is relative to `dir` too. */
static int add_listener(lua_State *L, struct reading *reading) {
  if (lua_type(L, -1) != LUA_TSTRING) return MW_EINVAL;
  const char *address = lua_tostring(L, -1);
  const char *path = strncmp(address, "unix:", 5) == 0 ? address + 5 : "";
  if (path[0] == '\0' || path[0] == '/') return add_address(reading, address);
  char *joined;
  if (asprintf(&joined, "unix:%s/%s", reading->dir, path) < 0) return MW_ENOMEM;
  int rc = add_address(reading, joined);
  free(joined);
  return rc;
}

static int add_folder(lua_State *L, struct reading *reading) {
  return lua_type(L, -1) == LUA_TSTRING ? mw_settings_add_folder(reading->settings, lua_tostring(L, -1)) : MW_EINVAL;
}

static int add_protos(lua_State *L, struct reading *reading) {
  if (lua_type(L, -1) != LUA_TSTRING || lua_rawlen(L, -1) == 0) return MW_EINVAL;
  char *path = NULL;
  int rc = set_path(&path, reading->dir, lua_tostring(L, -1));
  if (rc == 0) rc = mw_settings_add_protos(reading->settings, path);
  free(path);
  return rc;
}

/* Adds the value at the top: one string or a sequence of them. Each wrong string is a finding. */
static int add_each(lua_State *L, struct reading *reading, int (*add)(lua_State *L, struct reading *reading)) {
  if (!lua_istable(L, -1)) return add(L, reading);
  int failed = 0;
  for (size_t i = 1, n = lua_rawlen(L, -1); i <= n; i++) {
    lua_rawgeti(L, -1, (lua_Integer)i);
    int rc = add(L, reading);
    lua_pop(L, 1);
    if (rc == MW_ENOMEM) return rc;
    if (rc != 0) refuse_value(reading);
    if (rc != 0) failed = rc;
  }
  return failed;
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
  if (setting->kind == PATH && !*text) return MW_EINVAL;
  if (setting->kind == PATH) reading->settings->file_data |= field == &reading->settings->data;
  if (setting->kind == PATH) return set_path(field, reading->dir, text);
  if (setting->kind == ENGINE) return mw_server_engine(text) ? mw_settings_set(field, text) : MW_EINVAL;
  int level = mw_log_level_from_name(text);
  if (level < 0) return MW_EINVAL;
  reading->settings->log_level = (enum mw_log_level)level;
  return 0;
}

/* A wrong value leaves the folders unchanged, so that there always is one. */
static int set_protos(lua_State *L, struct reading *reading) {
  struct mw_settings *settings = reading->settings, before = *settings;
  if (lua_istable(L, -1) && lua_rawlen(L, -1) == 0) return MW_EINVAL;
  memset(settings->protos, 0, sizeof settings->protos);
  settings->n_protos = 0;
  int rc = add_each(L, reading, add_protos);
  if (rc != 0) {
    mw_settings_clear_protos(settings);
    memcpy(settings->protos, before.protos, sizeof before.protos);
    settings->n_protos = before.n_protos;
  } else {
    mw_settings_clear_protos(&before);
    settings->file_protos = true;
  }
  return rc;
}

/* Applies the value at the top. Returns 0, MW_ENOMEM, or another error if the setting does not accept the value. */
static int set(lua_State *L, struct reading *reading, const struct setting *setting) {
  void *field = (char *)reading->settings + setting->offset;
  switch (setting->kind) {
    case ADDRESSES:
      mw_settings_clear_listeners(reading->settings);
      reading->settings->file_listen = true;
      if (lua_istable(L, -1) && lua_rawlen(L, -1) == 0) return MW_EINVAL;
      return add_each(L, reading, add_listener);
    case FOLDERS: mw_settings_clear_folders(reading->settings); return add_each(L, reading, add_folder);
    case PROTOS: return set_protos(L, reading);
    case NUMBER:
    case INTEGER:
    case SIZE: return set_number(L, setting, field);
    case SWITCH:
      if (!lua_isboolean(L, -1)) return MW_EINVAL;
      *(bool *)field = lua_toboolean(L, -1);
      return 0;
    default: return set_text(L, reading, setting, field);
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

/* Returns a name that is valid in `group`: a setting's, or at the top level a group's too. NULL if `i` has none. */
static const char *name_at(const void *group, size_t i) {
  if (i >= N_SETTINGS) return group ? NULL : settings_table[i - N_SETTINGS].group;
  return in_group(&settings_table[i], group) ? settings_table[i].name : NULL;
}

/* ---- the file ---- */

/* Prefixes the newest finding with the place and the name of a setting. */
static int blame(const char *file, struct mw_slice text, const char *group, const char *name, struct mw_err *err) {
  const char *dot = group ? "." : "", *before = group ? group : "";
  unsigned line = mw_settings_find_line(text, group, name);
  char place[16] = "";
  if (line > 0) snprintf(place, sizeof place, ":%u", line);
  return mw_err_wrap(err, "%s%s: %s%s%s", file, place, before, dot, name);
}

int mw_settings_prefix_finding(const struct mw_settings *settings, const char *group, const char *name,
                               struct mw_err *err) {
  bool other = (!group && strcmp(name, "listen") == 0 && !settings->file_listen) ||
               (!group && strcmp(name, "data") == 0 && !settings->file_data);
  if (other || !settings->file) return err ? err->code : MW_EINVAL;
  return blame(settings->file, mw_buf_slice(&settings->text), group, name, err);
}

static void report(struct reading *reading, const char *group, const char *name, const char *text, const char *more) {
  mw_err_add(reading->err, MW_EINVAL, "%s%s", text, more);
  blame(reading->file, reading->text, group, name, reading->err);
  reading->failed = MW_EINVAL;
}

/* Reports a wrong value of reading->setting, or a wrong element of its list. */
static void refuse_value(struct reading *reading) {
  const struct setting *setting = reading->setting;
  bool why = reading->why[0] != '\0';
  report(reading, setting->group, setting->name, why ? reading->why : "expected ", why ? "" : setting->expectation);
  reading->why[0] = '\0';
  reading->refused = true;
}

static void report_unknown(struct reading *reading, const char *group, const char *name) {
  const char *near = mw_nearest(name, (size_t)N_SETTINGS * 2, name_at, group);
  report(reading, group, name, near ? "no such setting; did you mean " : "no such setting", near ? near : "");
}

static void read_group(lua_State *L, struct reading *reading, const char *group);

/* Applies the entry whose value is at the top. */
static void read_entry(lua_State *L, struct reading *reading, const char *group, const char *name) {
  const struct setting *setting = find(group, name);
  if (setting) {
    reading->setting = setting;
    reading->refused = false;
    reading->why[0] = '\0';
    int rc = set(L, reading, setting);
    if (rc == MW_ENOMEM) luaL_error(L, "out of memory");
    if (rc != 0 && !reading->refused) refuse_value(reading);
  } else if (!group && is_group(name) && lua_istable(L, -1)) {
    read_group(L, reading, name);
  } else if (!group && is_group(name)) {
    report(reading, group, name, "expected a table", "");
  } else {
    report_unknown(reading, group, name);
  }
}

/* Reads the table at the top. Every wrong entry is a finding. */
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

/* TLS needs both certificate and key: without one of them the server would serve plain text, or fail at start. The
 * table of settings is at the top; it holds refused values too. */
static void check_tls(lua_State *L, struct reading *reading) {
  static const char *const names[] = {"cert", "key"};
  lua_pushliteral(L, "tls");
  bool used = lua_rawget(L, -2) == LUA_TTABLE;
  lua_pushnil(L);
  used = used && lua_next(L, -2) != 0;
  if (!used) return;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    lua_pushstring(L, names[i]);
    if (lua_rawget(L, -4) == LUA_TNIL)
      report(reading, "tls", names[i], "expected a PEM file, as tls has other settings", "");
    lua_pop(L, 1);
  }
}

static int run_file(lua_State *L) {
  struct reading *reading = lua_touserdata(L, 1);
  if (mw_vm_load(L, reading->text, reading->file) != LUA_OK) return lua_error(L);
  mw_environment_push(L);
  lua_getfield(L, -1, "os");
  lua_getglobal(L, "os");
  lua_pushliteral(L, "getenv");
  lua_getfield(L, -2, "getenv");
  lua_rawset(L, -4); /* rawset, because the environment refuses assignments */
  lua_pop(L, 2);
  lua_setupvalue(L, -2, 1);
  lua_call(L, 0, 1);
  if (!lua_istable(L, -1)) {
    return luaL_error(L, "%s: expected the file to return a table of settings, got %s", reading->file,
                      luaL_typename(L, -1));
  }
  read_group(L, reading, NULL);
  check_tls(L, reading);
  return 0;
}

static int parse(struct mw_settings *settings, const char *dir, const char *file, struct mw_slice text, int slice_ms,
                 struct mw_err *err) {
  struct reading reading = {.settings = settings, .dir = dir, .file = file, .text = text, .err = err};
  struct mw_err raised = MW_ERR_INIT;
  struct mw_vm vm;
  if (mw_settings_set(&settings->file, file) != 0 || mw_buf_append(&settings->text, text.data, text.len) != 0) {
    return mw_err_set(err, MW_ENOMEM, "out of memory");
  }
  int rc = mw_vm_init(&vm, NULL, 0, err);
  if (rc != 0) return rc;
  mw_budget_limit(&vm, (struct mw_limits){.slice = slice_ms * (int64_t)MW_NS_PER_MS, .memory = MEMORY, .brief = true});
  rc = mw_vm_protect(&vm, run_file, &reading, &raised);
  if (rc == MW_ENOMEM && *vm.refused_at) {
    rc = mw_err_set(&raised, MW_EINVAL, "%s: the settings used up %d bytes of memory", vm.refused_at, MEMORY);
  }
  if (rc != 0) reading.failed = mw_err_add(err, rc, "%s", mw_err_text(&raised));
  mw_err_fini(&raised);
  mw_vm_fini(&vm);
  return reading.failed;
}

int mw_settings_parse(struct mw_settings *settings, const char *dir, const char *file, struct mw_slice text,
                      struct mw_err *err) {
  return parse(settings, dir, file, text, SLICE_MS, err);
}

static int read_file(struct mw_settings *settings, const char *dir, int slice_ms, struct mw_err *err) {
  char *file = NULL;
  if (set_path(&file, dir, "moonwire.lua") != 0) return mw_err_set(err, MW_ENOMEM, "out of memory");
  struct mw_buf text = MW_BUF_INIT;
  struct mw_err unread = MW_ERR_INIT;
  int rc = mw_buf_read_file(&text, file, FILE_LIMIT, &unread);
  if (rc == 0) {
    rc = parse(settings, dir, file, mw_buf_slice(&text), slice_ms, err);
  } else if (rc == MW_ENOTFOUND) {
    rc = 0;
  } else {
    mw_err_add(err, rc, "%s", mw_err_text(&unread));
  }
  mw_err_fini(&unread);
  mw_buf_fini(&text);
  free(file);
  return rc;
}

int mw_settings_read(struct mw_settings *settings, const char *dir, struct mw_err *err) {
  return read_file(settings, dir, SLICE_MS, err);
}

int mw_settings_find_protos(struct mw_settings *out, const char *dir) {
  if (mw_settings_init(out, dir) != 0) return MW_ENOMEM;
  int rc = read_file(out, dir, LOOK_SLICE_MS, NULL);
  if (rc == MW_ENOMEM) mw_settings_fini(out);
  return rc == MW_ENOMEM ? rc : 0;
}

int mw_settings_find_data(char **out, const char *dir, struct mw_err *err) {
  struct mw_settings settings;
  if (mw_settings_init(&settings, dir) != 0) return mw_err_set(err, MW_ENOMEM, "out of memory");
  int rc = mw_settings_read(&settings, dir, err);
  if (rc == 0) {
    *out = settings.data;
    settings.data = NULL;
  }
  mw_settings_fini(&settings);
  return rc;
}

/* ---- settings that cannot change ---- */

static bool same_text(const char *a, const char *b) { return a && b ? strcmp(a, b) == 0 : a == b; }

static bool same_list(char *const *a, size_t n_a, char *const *b, size_t n_b) {
  bool same = n_a == n_b;
  for (size_t i = 0; i < n_a && same; i++) same = strcmp(a[i], b[i]) == 0;
  return same;
}

static bool same(const struct setting *setting, const struct mw_settings *a, const struct mw_settings *b) {
  const void *x = (const char *)a + setting->offset, *y = (const char *)b + setting->offset;
  switch (setting->kind) {
    case ADDRESSES: return same_list(a->listen, a->n_listen, b->listen, b->n_listen);
    case FOLDERS: return same_list(a->folders, a->n_folders, b->folders, b->n_folders);
    case PROTOS: return same_list(a->protos, a->n_protos, b->protos, b->n_protos);
    case NUMBER: return !(*(const double *)x < *(const double *)y || *(const double *)x > *(const double *)y);
    case SWITCH: return *(const bool *)x == *(const bool *)y;
    case INTEGER: return *(const unsigned *)x == *(const unsigned *)y;
    case SIZE: return *(const size_t *)x == *(const size_t *)y;
    default: return same_text(*(char *const *)x, *(char *const *)y);
  }
}

void mw_settings_list_fixed(struct mw_buf *out, const struct mw_settings *running, const struct mw_settings *wanted) {
  const char *separator = "";
  for (size_t i = 0; i < N_SETTINGS; i++) {
    const struct setting *setting = &settings_table[i];
    if (!setting->fixed || same(setting, running, wanted)) continue;
    mw_buf_printf(out, "%s%s%s%s", separator, setting->group ? setting->group : "", setting->group ? "." : "",
                  setting->name);
    separator = ", ";
  }
}
