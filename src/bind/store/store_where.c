#include "bind/store/store_where.h"

#include "base/text.h"
#include "bind/base/options.h"
#include "bind/message/marker.h"
#include "bind/message/message_read.h"

/* A condition that is being read. */
struct where {
  struct mw_reader reader; /* its arena holds nothing that outlives the condition */
  struct mw_filter *filter;
  const struct mw_message_type *type; /* of the messages */
  const struct mw_field *path[MW_FILTER_MAX];
  size_t depth;
  bool is_wrapper;            /* the path has the wrapper's value at its end */
  struct mw_path root, shown; /* for errors */
};

static int fail(struct where *w, const char *why) {
  return mw_path_fail(w->reader.err, w->reader.L, &w->shown, MW_EINVAL, "%s", why);
}

static int fail_memory(struct where *w) {
  return mw_path_fail(w->reader.err, w->reader.L, &w->root, MW_ENOMEM, "out of memory");
}

/* ---- the field ---- */

static const char *name_of_field(const void *ctx, size_t i) {
  const struct mw_message_type *type = ctx;
  return type->fields[i].name;
}

static int fail_unknown(struct where *w, const struct mw_message_type *type, struct mw_slice name) {
  char word[MW_QUOTED];
  snprintf(word, sizeof word, "%.*s", (int)name.len, (const char *)name.data);
  const char *nearest = mw_nearest(word, type->n_fields, name_of_field, type);
  if (!nearest) return fail(w, "no such field");
  return mw_path_fail(w->reader.err, w->reader.L, &w->shown, MW_EINVAL, "no such field (did you mean \"%s\"?)",
                      nearest);
}

/* Reads the next field of the path; `type` is that of its message. */
static int read_step(struct where *w, const struct mw_message_type *type, struct mw_slice name) {
  const struct mw_field *field = mw_field_by_name(type, name);
  if (!field) return fail_unknown(w, type, name);
  if (field->repeated) return fail(w, field->map ? "a map cannot be compared" : "a repeated field cannot be compared");
  if (w->depth == MW_FILTER_MAX) return fail(w, "more than 64 fields within each other");
  w->path[w->depth++] = field;
  return 0;
}

/* Reads the path in the key at the top: fields separated by dots. */
static int read_path(struct where *w) {
  lua_State *L = w->reader.L;
  w->depth = 0;
  w->shown = (struct mw_path){.parent = &w->root, .key = lua_gettop(L)};
  if (lua_type(L, -1) != LUA_TSTRING) return fail(w, "the keys of `where` are names of fields");
  size_t len;
  const char *at = lua_tolstring(L, -1, &len);
  if (strlen(at) == len && mw_utf8_valid(mw_slice(at, len)) && !strpbrk(at, " \n\r\t\"")) w->shown.name = at;
  const struct mw_message_type *type = w->type;
  for (const char *end = at + len;; at++) {
    const char *dot = memchr(at, '.', (size_t)(end - at));
    struct mw_slice name = mw_slice(at, (size_t)((dot ? dot : end) - at));
    mw_budget_tick(L, &w->reader.steps);
    if (!type) return fail(w, "only messages have fields");
    int rc = read_step(w, type, name);
    if (rc != 0 || !dot) return rc;
    type = w->path[w->depth - 1]->message;
    at = dot;
  }
}

/* ---- the values ---- */

static bool is_nan(lua_State *L, int index) {
  return lua_type(L, index) == LUA_TNUMBER && lua_tonumber(L, index) != lua_tonumber(L, index);
}

/* Adds the value at the top to the condition. */
static int read_value(struct where *w, struct mw_filter_condition *condition) {
  lua_State *L = w->reader.L;
  const struct mw_field *field = w->path[w->depth - 1];
  union {
    uint64_t number;
    ProtobufCBinaryData text;
  } slot;
  mw_budget_tick(L, &w->reader.steps);
  if (mw_bind_is_null(L, -1)) {
    if (w->is_wrapper) return fail(w, "mw.null cannot be one of several values of a wrapper");
    if (!field->has_presence) return fail(w, "mw.null stands for an unset field, but this field always has a value");
    mw_filter_accept_unset(condition);
    return 0;
  }
  if (field->message) return fail(w, "a message cannot be compared: compare its fields, such as [\"owner.id\"]");
  if (is_nan(L, -1)) return fail(w, "NaN equals no value");
  int rc = mw_read_scalar(&w->reader, lua_gettop(L), field, &w->shown, &slot);
  if (rc != 0) return rc;
  return mw_filter_accept(w->filter, condition, &slot) == 0 ? 0 : fail_memory(w);
}

/* Adds the values of the sequence at the top. */
static int read_values(struct where *w, struct mw_filter_condition *condition) {
  lua_State *L = w->reader.L;
  lua_Unsigned n = lua_rawlen(L, -1);
  if (n > MW_WHERE_VALUES) return fail(w, "more than 1000 values");
  lua_Unsigned count = 0;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) { /* at most one round more than `n` */
    if (++count > n) return fail(w, "expected a value, or a sequence of values with the keys 1, 2, 3 ...");
  }
  int rc = 0;
  for (lua_Unsigned i = 1; i <= n && rc == 0; i++) {
    lua_rawgeti(L, -1, (lua_Integer)i);
    if (lua_isnil(L, -1)) return fail(w, "expected a value, or a sequence of values with the keys 1, 2, 3 ...");
    rc = read_value(w, condition);
    lua_pop(L, 1);
  }
  return rc;
}

/* Scripts see a wrapper as its value. */
static bool is_wrapper(const struct mw_field *field) {
  return field->message && field->message->wellknown == MW_WKT_WRAPPER;
}

/* Adds the condition whose key and value are at the top. */
static int read_condition(struct where *w) {
  lua_State *L = w->reader.L;
  lua_pushvalue(L, -2);
  int rc = read_path(w);
  lua_pop(L, 1);
  if (rc != 0) return rc;
  w->is_wrapper = is_wrapper(w->path[w->depth - 1]) && !mw_bind_is_null(L, -1);
  if (w->is_wrapper) {
    rc = read_step(w, w->path[w->depth - 1]->message, mw_slice_str("value"));
    if (rc != 0) return rc;
  }
  if (w->filter->n_conditions == MW_FILTER_MAX) return fail(w, "more than 64 conditions");
  struct mw_filter_condition *condition = mw_filter_add(w->filter, w->path, w->depth);
  if (!condition) return fail_memory(w);
  return lua_istable(L, -1) ? read_values(w, condition) : read_value(w, condition);
}

/* Reads the conditions of the table at the top. */
static int read_conditions(struct where *w) {
  lua_State *L = w->reader.L;
  int top = lua_gettop(L), rc;
  for (lua_pushnil(L); lua_next(L, top); lua_pop(L, 1)) {
    mw_budget_tick(L, &w->reader.steps);
    rc = read_condition(w);
    if (rc != 0) return rc;
  }
  switch (mw_filter_build(w->filter, w->type)) {
    case 0: return 0;
    case MW_ENOMEM: return fail_memory(w);
    case MW_ELIMIT: return mw_path_fail(w->reader.err, L, &w->root, MW_EINVAL, "more than 64 fields in all conditions");
    default:
      return mw_path_fail(w->reader.err, L, &w->root, MW_EINVAL,
                          "two conditions are on the same field, or on a message and a field of it");
  }
}

bool mw_store_where(lua_State *L, int arg, const char *what, const struct mw_collection *collection,
                    struct mw_filter *filter) {
  luaL_checkstack(L, 12, NULL);
  if (mw_bind_get_option(L, arg, "where") == LUA_TNIL) {
    lua_pop(L, 1);
    return false;
  }
  if (!lua_istable(L, -1)) luaL_error(L, "%s: where: expected a table of fields, got %s", what, luaL_typename(L, -1));
  struct mw_program *program = collection->program;
  struct mw_err err = MW_ERR_INIT;
  struct where w = {
      .reader = {.L = L, .messages = mw_messages_of(program), .arena = mw_vm_scratch(program->vm), .err = &err},
      .filter = filter,
      .type = collection->type,
      .root = {.name = collection->type->full_name}};
  int top = lua_gettop(L);
  if (read_conditions(&w) != 0) {
    mw_err_wrap(&err, "%s: where", what);
    mw_bind_raise_err(L, &err);
  }
  lua_settop(L, top - 1);
  return true;
}
