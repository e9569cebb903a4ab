#include "bind/message/message_error.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "bind/message/marker.h"
#include "bind/message/packed.h"

/* Writes the escape of `byte` in quotes. In UTF-8, bytes beyond ASCII stay as they are. */
static size_t escape(uint8_t byte, bool utf8, char out[5]) {
  static const char named[] = "\"\\\n\r\t", letters[] = "\"\\nrt";
  const char *found = byte ? strchr(named, byte) : NULL;
  if (found) return (size_t)snprintf(out, 5, "\\%c", letters[found - named]);
  if (byte >= 0x20 && byte != 0x7f && (byte < 0x80 || utf8)) return (size_t)snprintf(out, 5, "%c", byte);
  return (size_t)snprintf(out, 5, "\\x%02x", byte);
}

void mw_quote(struct mw_slice text, char out[MW_QUOTED]) {
  static const char more[] = "...";
  enum { ROOM = MW_QUOTED - sizeof more - 2 }; /* for the text; the closing quote, the dots and the terminator follow */
  size_t len = 0, i = 0, seen = text.len < ROOM ? text.len : ROOM; /* bytes to show; no partial character */
  while (seen > 0 && seen < text.len && (text.data[seen] & 0xc0) == 0x80) seen--;
  bool utf8 = mw_utf8_valid(mw_slice(text.data, seen));
  out[len++] = '"';
  for (; i < text.len; i++) {
    char escaped[5];
    size_t n = escape(text.data[i], utf8, escaped);
    bool starts = (text.data[i] & 0xc0) != 0x80; /* a character is not split */
    if (len + n > ROOM || (utf8 && starts && len + 4 > ROOM)) break;
    memcpy(out + len, escaped, n);
    len += n;
  }
  snprintf(out + len, MW_QUOTED - len, "\"%s", i < text.len ? more : "");
}

static void add_key(struct mw_buf *out, lua_State *L, int key) {
  char quoted[MW_QUOTED];
  size_t len;
  if (lua_type(L, key) == LUA_TSTRING) {
    const char *text = lua_tolstring(L, key, &len);
    mw_quote(mw_slice(text, len), quoted);
    mw_buf_printf(out, "[%s]", quoted);
  } else if (lua_isinteger(L, key)) {
    mw_buf_printf(out, "[" LUA_INTEGER_FMT "]", (LUAI_UACINT)lua_tointeger(L, key));
  } else if (lua_type(L, key) == LUA_TNUMBER) {
    mw_buf_printf(out, "[%.14g]", lua_tonumber(L, key));
  } else if (lua_isboolean(L, key)) {
    mw_buf_printf(out, "[%s]", lua_toboolean(L, key) ? "true" : "false");
  } else {
    mw_buf_printf(out, "[%s]", luaL_typename(L, key));
  }
}

static void add_path(struct mw_buf *out, lua_State *L, const struct mw_path *path) {
  enum { MOST = 4 * MW_MESSAGE_DEPTH };
  const struct mw_path *steps[MOST];
  size_t n = 0;
  for (; path && n < MOST; path = path->parent) steps[n++] = path;
  while (n-- > 0) {
    const struct mw_path *step = steps[n];
    if (step->name) {
      mw_buf_printf(out, "%s%s", step->parent ? "." : "", step->name);
    } else if (step->index) {
      mw_buf_printf(out, "[" LUA_INTEGER_FMT "]", (LUAI_UACINT)step->index);
    } else {
      add_key(out, L, step->key);
    }
  }
}

int mw_path_fail(struct mw_err *err, lua_State *L, const struct mw_path *path, int code, const char *fmt, ...) {
  struct mw_buf where = MW_BUF_INIT;
  char *what = NULL;
  va_list args;
  va_start(args, fmt);
  if (vasprintf(&what, fmt, args) < 0) what = NULL;
  va_end(args);
  add_path(&where, L, path);
  mw_err_set(err, code, "%s: %s", mw_buf_str(&where), what ? what : mw_err_name(code));
  free(what);
  mw_buf_fini(&where);
  return code;
}

static const char *describe_table(lua_State *L, int index) {
  const struct mw_message_state *state = mw_message_state_at(L, index);
  if (state) return state->type->full_name;
  return mw_bind_is_array(L, index) ? "a list" : "a table";
}

/* Writes a float as Lua prints it, with a point or an exponent. */
static void describe_float(lua_Number number, char out[MW_QUOTED]) {
  int len = snprintf(out, MW_QUOTED, "%.14g", number);
  if (isnan(number)) {
    snprintf(out, MW_QUOTED, "nan");
  } else if (out[strspn(out, "-0123456789")] == '\0') {
    snprintf(out + len, MW_QUOTED - (size_t)len, ".0");
  }
}

static void describe(lua_State *L, int index, char out[MW_QUOTED]) {
  size_t len = 0;
  const char *text;
  const struct mw_packed *packed = mw_packed_at(L, index);
  if (packed) {
    snprintf(out, MW_QUOTED, "a packed %s", packed->type->full_name);
    return;
  }
  switch (lua_type(L, index)) {
    case LUA_TNIL: snprintf(out, MW_QUOTED, "nil"); return;
    case LUA_TBOOLEAN: snprintf(out, MW_QUOTED, "%s", lua_toboolean(L, index) ? "true" : "false"); return;
    case LUA_TSTRING:
      text = lua_tolstring(L, index, &len);
      mw_quote(mw_slice(text, len), out);
      return;
    case LUA_TNUMBER:
      if (lua_isinteger(L, index)) {
        snprintf(out, MW_QUOTED, LUA_INTEGER_FMT, (LUAI_UACINT)lua_tointeger(L, index));
      } else {
        describe_float(lua_tonumber(L, index), out);
      }
      return;
    case LUA_TFUNCTION: snprintf(out, MW_QUOTED, "a function"); return;
    case LUA_TTABLE: snprintf(out, MW_QUOTED, "%s", describe_table(L, index)); return;
    default: snprintf(out, MW_QUOTED, "%s", mw_bind_is_null(L, index) ? "mw.null" : luaL_typename(L, index)); return;
  }
}

int mw_path_fail_value(struct mw_err *err, lua_State *L, const struct mw_path *path, int index, const char *expected,
                       const char *more) {
  char got[MW_QUOTED];
  describe(L, index, got);
  const char *role = path->is_key ? "a key of type " : "";
  return mw_path_fail(err, L, path, MW_EINVAL, "expected %s%s, got %s%s", role, expected, got, more);
}
