/* mw.json: values and messages as JSON text, and back.
 *
 * A message table (a table with a message's metatable) is written by the proto3 JSON mapping, at any depth of a value.
 * Other values are written as they are. */
#include <math.h>

#include "base/text.h"
#include "bind/base/bind.h"
#include "bind/base/buffer.h"
#include "bind/base/openers.h"
#include "bind/base/options.h"
#include "bind/base/status.h"
#include "bind/message/marker.h"
#include "bind/message/message.h"
#include "schema/json/json.h"
#include "schema/json/json_number.h"
#include "schema/json/json_path.h"
#include "schema/json/json_print.h"
#include "schema/json/json_token.h"

enum { LARGEST_INDENT = 16 };

/* ---- encoding ---- */

/* A table that is being written, and the table around it. */
struct level {
  const struct level *outer;
  const void *table;
  struct mw_json_path path; /* the path of the current value in the table; indices count from 1, as in Lua */
};

struct encoder {
  lua_State *L;
  struct mw_program *program;
  struct mw_json_printer printer;
  struct mw_pace pace; /* pace of the printer */
  unsigned steps;      /* towards the next check of the budget */
};

/* Raises "mw.json.encode: PATH: WHAT". */
static int raise_at(struct encoder *e, const struct mw_json_path *path, const char *what) {
  struct mw_buf *text = mw_bind_push_buffer(e->L);
  (void)mw_json_path_print(path, text); /* without memory the path is shorter */
  return luaL_error(e->L, "mw.json.encode: %s: %s", mw_buf_str(text), what);
}

static void encode_value(struct encoder *e, const struct level *outer, const struct mw_json_path *path);

static void encode_float(struct encoder *e, const struct mw_json_path *path, double value) {
  char text[MW_JSON_NUMBER_TEXT];
  if (!isfinite(value)) raise_at(e, path, "JSON cannot represent NaN or infinity");
  mw_json_format_double(value, text);
  mw_json_put(&e->printer, text);
  if (!strpbrk(text, ".e")) mw_json_put(&e->printer, ".0"); /* so that it is read back as a float */
}

static void encode_string(struct encoder *e, const struct mw_json_path *path) {
  size_t len;
  const char *text = lua_tolstring(e->L, -1, &len);
  mw_budget_bytes(e->L, &e->steps, len);
  if (!mw_utf8_valid(mw_slice(text, len)))
    raise_at(e, path, "expected UTF-8; encode other bytes first, in base64 for example");
  mw_json_put_string(&e->printer, mw_slice(text, len));
}

/* Raises `err`. If the budget is exceeded, which is why the work ended early, raises that instead. */
static void raise_or_cut(lua_State *L, int rc, struct mw_err *err) {
  if (rc == MW_ELIMIT && mw_budget_is_over(L)) {
    mw_err_fini(err);
    mw_budget_check(L);
  }
  mw_bind_raise_err(L, err);
}

/* Writes the message table at the top by the proto3 mapping. */
static void encode_message(struct encoder *e, const struct mw_message_type *type) {
  struct mw_arena *arena = mw_vm_scratch(e->program->vm);
  const struct mw_json_options options = {.indent = e->printer.indent, .level = e->printer.depth, .pace = &e->pace};
  struct mw_err err = MW_ERR_INIT;
  ProtobufCMessage *message = NULL;
  int rc = mw_bind_to_message(e->L, -1, e->program, type, arena, &message, &err);
  if (rc == 0) rc = mw_json_write(e->printer.out, e->program->pool, type, message, &options, &err);
  if (rc != 0) raise_or_cut(e->L, rc, &err);
}

/* Writes the table at the top as an array. Raises unless its keys are exactly 1 to `count`. */
static void encode_array(struct encoder *e, struct level *level, lua_Unsigned count) {
  lua_Unsigned keys = 0;
  for (lua_pushnil(e->L); lua_next(e->L, -2); lua_pop(e->L, 1)) {
    keys++;
    mw_budget_tick(e->L, &e->steps);
    if (!lua_isinteger(e->L, -2))
      raise_at(e, level->path.up, "JSON cannot represent a table with both a list and other keys");
  }
  if (keys != count) raise_at(e, level->path.up, "JSON cannot represent a list with holes; fill them with mw.null");
  level->path.kind = MW_PATH_INDEX;
  mw_json_open(&e->printer, '[');
  for (lua_Unsigned i = 1; i <= count; i++) {
    level->path.index = i;
    mw_json_item(&e->printer);
    lua_rawgeti(e->L, -1, (lua_Integer)i);
    encode_value(e, level, &level->path);
    lua_pop(e->L, 1);
  }
  mw_json_close(&e->printer, ']');
}

static int compare_keys(struct encoder *e, struct mw_slice left, struct mw_slice right) {
  size_t shorter = left.len < right.len ? left.len : right.len;
  mw_budget_bytes(e->L, &e->steps, shorter);
  int order = shorter ? memcmp(left.data, right.data, shorter) : 0;
  return order ? order : (left.len > right.len) - (left.len < right.len);
}

/* Moves keys[i] down in the heap of `n` keys until no key below is greater. */
static void sift(struct encoder *e, struct mw_slice *keys, size_t i, size_t n) {
  const struct mw_slice key = keys[i];
  for (size_t below; (below = 2 * i + 1) < n; i = below) {
    if (below + 1 < n && compare_keys(e, keys[below], keys[below + 1]) < 0) below++;
    if (compare_keys(e, key, keys[below]) >= 0) break;
    keys[i] = keys[below];
  }
  keys[i] = key;
}

/* Heapsort: qsort() allocates, and the budget may raise. */
static void sort_keys(struct encoder *e, struct mw_slice *keys, size_t n) {
  for (size_t i = n / 2; i-- > 0;) sift(e, keys, i, n);
  for (size_t i = n; i-- > 1;) {
    const struct mw_slice last = keys[i];
    keys[i] = keys[0];
    keys[0] = last;
    sift(e, keys, 0, i);
  }
}

/* Pushes the sorted keys of the table at the top. The table, which is not weak, keeps their bytes alive. */
static struct mw_slice *push_keys(struct encoder *e, const struct level *level, size_t *count) {
  *count = 0;
  for (lua_pushnil(e->L); lua_next(e->L, -2); lua_pop(e->L, 1)) {
    mw_budget_tick(e->L, &e->steps);
    if (lua_type(e->L, -2) != LUA_TSTRING) raise_at(e, level->path.up, "the keys of an object must be strings");
    ++*count;
  }
  struct mw_slice *keys = lua_newuserdatauv(e->L, (*count + 1) * sizeof *keys, 0);
  size_t i = 0;
  for (lua_pushnil(e->L); lua_next(e->L, -3); lua_pop(e->L, 1)) {
    size_t len;
    const char *key = lua_tolstring(e->L, -2, &len);
    keys[i++] = mw_slice(key, len);
    mw_budget_tick(e->L, &e->steps);
  }
  sort_keys(e, keys, *count);
  return keys;
}

/* Writes the keys in sorted order, so that a value always has the same text. */
static void encode_object(struct encoder *e, struct level *level) {
  size_t count;
  const struct mw_slice *keys = push_keys(e, level, &count);
  level->path.kind = MW_PATH_KEY;
  mw_json_open(&e->printer, '{');
  for (size_t i = 0; i < count; i++) {
    level->path.key = keys[i];
    mw_budget_bytes(e->L, &e->steps, keys[i].len);
    if (!mw_utf8_valid(keys[i])) raise_at(e, &level->path, "the key is not valid UTF-8");
    mw_json_key(&e->printer, keys[i]);
    lua_pushlstring(e->L, (const char *)keys[i].data, keys[i].len);
    lua_rawget(e->L, -3);
    encode_value(e, level, &level->path);
    lua_pop(e->L, 1);
  }
  mw_json_close(&e->printer, '}');
  lua_pop(e->L, 1);
}

static void encode_table(struct encoder *e, const struct level *outer, const struct mw_json_path *path) {
  struct level level = {.outer = outer, .table = lua_topointer(e->L, -1), .path = {.up = path}};
  for (const struct level *l = outer; l; l = l->outer) {
    if (l->table == level.table) raise_at(e, path, "the table contains itself");
  }
  if (e->printer.depth == MW_JSON_DEPTH) raise_at(e, path, "nested deeper than 100 levels");
  luaL_checkstack(e->L, 8, "mw.json.encode");
  const struct mw_message_type *type = mw_bind_message_type(e->L, -1, e->program);
  if (!type && mw_bind_is_weak(e->L, -1)) {
    raise_at(e, path, "JSON cannot represent a table with weak references (__mode)");
  }
  lua_Unsigned count = lua_rawlen(e->L, -1);
  mw_budget_spend(e->L, &e->steps, MW_BUDGET_WALK);
  if (type) {
    encode_message(e, type);
  } else if (count > 0 || mw_bind_is_array(e->L, -1)) {
    encode_array(e, &level, count);
  } else {
    encode_object(e, &level);
  }
}

/* Writes the value at the top. */
static void encode_value(struct encoder *e, const struct level *outer, const struct mw_json_path *path) {
  mw_budget_tick(e->L, &e->steps);
  if (e->printer.rc == MW_ENOMEM) mw_budget_refuse(e->L);
  if (mw_bind_is_null(e->L, -1)) {
    mw_json_put(&e->printer, "null");
    return;
  }
  switch (lua_type(e->L, -1)) {
    case LUA_TNIL: mw_json_put(&e->printer, "null"); break;
    case LUA_TBOOLEAN: mw_json_put(&e->printer, lua_toboolean(e->L, -1) ? "true" : "false"); break;
    case LUA_TSTRING: encode_string(e, path); break;
    case LUA_TTABLE: encode_table(e, outer, path); break;
    case LUA_TNUMBER:
      if (lua_isinteger(e->L, -1)) {
        mw_json_put_int(&e->printer, lua_tointeger(e->L, -1));
      } else {
        encode_float(e, path, lua_tonumber(e->L, -1));
      }
      break;
    default: {
      const struct mw_message_type *type = mw_bind_message_type(e->L, -1, e->program);
      if (type) {
        encode_message(e, type);
        break;
      }
      lua_pushfstring(e->L, "JSON cannot represent a %s", luaL_typename(e->L, -1));
      raise_at(e, path, lua_tostring(e->L, -1));
    }
  }
}

/* Returns the option `indent` of the table at `arg`, which may be absent. */
static unsigned check_indent(lua_State *L, int arg) {
  static const char *const allowed[] = {"indent", NULL};
  mw_bind_check_options(L, arg, "mw.json.encode", allowed);
  mw_bind_get_option(L, arg, "indent");
  lua_Integer indent = lua_tointeger(L, -1);
  luaL_argcheck(L, lua_isnil(L, -1) || (lua_isinteger(L, -1) && indent >= 0 && indent <= LARGEST_INDENT), arg,
                "indent must be a number of spaces from 0 to 16");
  lua_pop(L, 1);
  return (unsigned)indent;
}

/* mw.json.encode(value, [{indent=}]): returns the text. Raises for a value that JSON cannot represent. */
static int l_encode(lua_State *L) {
  static const struct mw_json_path root = {.kind = MW_PATH_TYPE, .name = "value"};
  luaL_checkany(L, 1);
  unsigned indent = check_indent(L, 2);
  struct mw_buf *text = mw_bind_push_buffer(L);
  struct encoder e = {.L = L,
                      .program = mw_bind_program(L),
                      .printer = mw_json_printer(text, indent),
                      .pace = {.is_over = mw_budget_is_over, .arg = L}};
  e.printer.pace = &e.pace;
  lua_pushvalue(L, 1);
  encode_value(&e, NULL, &root);
  if (e.printer.rc == MW_ELIMIT) mw_budget_check(L);
  if (e.printer.rc != 0) return mw_budget_refuse(L);
  lua_pushlstring(L, mw_buf_str(text), text->len);
  return 1;
}

/* ---- decoding ---- */

struct decoder {
  lua_State *L;
  struct mw_json_lexer lexer;
  struct mw_json_token token;
  struct mw_err *err;
  unsigned steps; /* towards the next check of the budget */
};

static int decode_value(struct decoder *d);

static int advance(struct decoder *d) { return mw_json_next(&d->lexer, &d->token, d->err); }

static int fail_at(struct decoder *d, const char *what) {
  unsigned line, column;
  mw_json_position(&d->lexer, d->token.at, &line, &column);
  return mw_err_set(d->err, MW_EFORMAT, "%u:%u: %s", line, column, what);
}

/* Pushes the newest token, a key or string. */
static void push_string(struct decoder *d) {
  const struct mw_slice text = d->token.text;
  mw_budget_bytes(d->L, &d->steps, text.len);
  if (!d->token.escaped) {
    lua_pushlstring(d->L, (const char *)text.data, text.len);
    return;
  }
  luaL_Buffer buffer;
  char *out = luaL_buffinitsize(d->L, &buffer, text.len);
  luaL_pushresultsize(&buffer, mw_json_unescape(text, out));
}

/* Pushes a number as Lua reads numerals: digits alone are an integer if it fits; all else is a float. */
static int push_number(struct decoder *d) {
  const struct mw_slice text = d->token.text;
  bool digits = true;
  for (size_t i = 0; i < text.len; i++) digits &= !strchr(".eE", text.data[i]);
  int64_t integer;
  double real;
  if (digits && mw_json_to_int64(text, INT64_MIN, INT64_MAX, &integer) == 0) {
    lua_pushinteger(d->L, integer);
  } else if (mw_json_to_double(text, &real) == 0) {
    lua_pushnumber(d->L, real);
  } else {
    return fail_at(d, "the number is out of range");
  }
  return 0;
}

static int decode_array(struct decoder *d) {
  int rc = 0;
  lua_newtable(d->L);
  for (lua_Integer i = 1; rc == 0; i++) {
    rc = advance(d);
    if (rc != 0 || d->token.kind == MW_JSON_ARRAY_END) break;
    rc = decode_value(d);
    if (rc == 0) lua_rawseti(d->L, -2, i);
  }
  if (rc == 0) mw_bind_mark_array(d->L);
  return rc;
}

static int decode_object(struct decoder *d) {
  int rc = 0;
  lua_newtable(d->L);
  while (rc == 0) {
    rc = advance(d);
    if (rc != 0 || d->token.kind == MW_JSON_OBJECT_END) break;
    push_string(d);
    lua_pushvalue(d->L, -1);
    if (lua_rawget(d->L, -3) != LUA_TNIL) return fail_at(d, "this key is given twice");
    lua_pop(d->L, 1);
    rc = advance(d);
    if (rc == 0) rc = decode_value(d);
    if (rc == 0) lua_rawset(d->L, -3);
  }
  return rc;
}

/* Pushes the value that begins with the newest token. On failure, partial values stay on the stack. */
static int decode_value(struct decoder *d) {
  luaL_checkstack(d->L, 8, "mw.json.decode");
  mw_budget_tick(d->L, &d->steps);
  switch (d->token.kind) {
    case MW_JSON_OBJECT: return decode_object(d);
    case MW_JSON_ARRAY: return decode_array(d);
    case MW_JSON_NUMBER: return push_number(d);
    case MW_JSON_STRING: push_string(d); return 0;
    case MW_JSON_NULL: mw_bind_push_null(d->L); return 0;
    default: lua_pushboolean(d->L, d->token.kind == MW_JSON_TRUE); return 0;
  }
}

static int decode_any(lua_State *L, struct mw_slice text) {
  struct mw_err err = MW_ERR_INIT;
  struct decoder d = {.L = L, .err = &err};
  mw_json_lexer_init(&d.lexer, text);
  int rc = advance(&d);
  if (rc == 0) rc = decode_value(&d);
  if (rc == 0) rc = advance(&d); /* checks that the text ends here */
  return rc == 0 ? 1 : mw_bind_fail_err(L, mw_code_of_error(rc), &err);
}

static int decode_message(lua_State *L, struct mw_slice text, const struct mw_message_type *type, bool ignore_unknown) {
  struct mw_program *program = mw_bind_program(L);
  struct mw_err err = MW_ERR_INIT;
  ProtobufCMessage *message = NULL;
  struct mw_pace pace = {.is_over = mw_budget_is_over, .arg = L};
  const struct mw_json_options options = {.ignore_unknown = ignore_unknown, .pace = &pace};
  int rc = mw_json_read(text, program->pool, type, &options, mw_vm_scratch(program->vm), &message, &err);
  if (rc == MW_ELIMIT && mw_budget_is_over(L)) raise_or_cut(L, rc, &err);
  if (rc != 0) return mw_bind_fail_err(L, mw_code_of_error(rc), &err);
  mw_bind_push_message(L, program, type, message);
  return 1;
}

/* Returns the option `ignore_unknown` of the table at `arg`, which may be absent. */
static bool check_ignore_unknown(lua_State *L, int arg) {
  static const char *const allowed[] = {"ignore_unknown", NULL};
  mw_bind_check_options(L, arg, "mw.json.decode", allowed);
  mw_bind_get_option(L, arg, "ignore_unknown");
  luaL_argcheck(L, lua_isnil(L, -1) || lua_isboolean(L, -1), arg, "ignore_unknown must be true or false");
  bool ignore = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return ignore;
}

/* mw.json.decode(text, [type, [{ignore_unknown=}]]): returns the value, or with the full name of a message type the
 * message. Returns nil and a status if the text is malformed or does not fit the type. */
static int l_decode(lua_State *L) {
  size_t len;
  const char *text = luaL_checklstring(L, 1, &len);
  bool ignore_unknown = check_ignore_unknown(L, 3);
  if (lua_isnoneornil(L, 2)) return decode_any(L, mw_slice(text, len));
  const struct mw_message_type *type = mw_bind_check_message_name(L, 2, mw_bind_program(L));
  return decode_message(L, mw_slice(text, len), type, ignore_unknown);
}

/* ---- opener ---- */

static const luaL_Reg functions[] = {{"encode", l_encode}, {"decode", l_decode}, {NULL, NULL}};

void mw_bind_open_json(lua_State *L, struct mw_program *program) {
  lua_newtable(L);
  mw_bind_functions(L, program, functions);
  lua_setfield(L, -2, "json");
}
