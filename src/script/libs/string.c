/* Replacements of `string` functions that would exceed any budget: those with patterns, rep, and those that follow a
 * format. */
#include <ctype.h>
#include <lauxlib.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "script/libs/libs.h"
#include "script/libs/pattern.h"
#include "script/libs/wrap.h"
#include "script/state/budget.h"

enum {
  CHUNK = 1024 * 1024, /* bytes that are copied between two checks of the budget */
  LONG = 64 * 1024,    /* bytes of the shortest string whose quoting checks the budget */
  ITEMS = 8192         /* most '%' in a format of string.format: each may take 10 microseconds */
};

/* Initialises the match of the string at 1 with the pattern at 2. */
static void check_match(lua_State *L, struct mw_pattern *m) {
  size_t subject_len, pattern_len;
  const char *subject = luaL_checklstring(L, 1, &subject_len);
  const char *pattern = luaL_checklstring(L, 2, &pattern_len);
  mw_pattern_init(m, L, subject, subject_len, pattern, pattern_len);
}

/* Removes a '^' from the pattern. Returns true if there was one. */
static bool take_anchor(struct mw_pattern *m) {
  bool anchored = *m->pattern == '^';
  if (anchored) m->pattern++;
  return anchored;
}

/* Returns the start as an offset, which may be past the end. The position at `arg` counts from 1 or, if negative, from
 * the end. */
static size_t opt_offset(lua_State *L, int arg, size_t len) {
  lua_Integer position = luaL_optinteger(L, arg, 1);
  if (position > 0) return (size_t)position - 1;
  if (position == 0 || position < -(lua_Integer)len) return 0;
  return len - (size_t)-position;
}

/* ---- find, match ---- */

static bool is_plain(struct mw_pattern *m) {
  for (const char *p = m->pattern; p < m->pattern_end; p++) {
    mw_budget_tick(m->L, &m->steps);
    if (*p && strchr("^$*+?.([%-", *p)) return false;
  }
  return true;
}

static int find_plain(lua_State *L, const struct mw_pattern *m, const char *from) {
  size_t len = (size_t)(m->pattern_end - m->pattern);
  const char *found = memmem(from, (size_t)(m->subject_end - from), m->pattern, len); /* takes linear time */
  if (!found) return luaL_pushfail(L), 1;
  lua_pushinteger(L, found - m->subject + 1);
  lua_pushinteger(L, found - m->subject + (lua_Integer)len);
  return 2;
}

static int search(lua_State *L, bool find) {
  struct mw_pattern m;
  check_match(L, &m);
  size_t offset = opt_offset(L, 3, (size_t)(m.subject_end - m.subject));
  if (offset > (size_t)(m.subject_end - m.subject)) return luaL_pushfail(L), 1;
  const char *from = m.subject + offset;
  if (find && (lua_toboolean(L, 4) || is_plain(&m))) return find_plain(L, &m, from);
  bool anchored = take_anchor(&m);
  do {
    const char *end = mw_pattern_match_at(&m, from);
    if (!end) continue;
    if (!find) return mw_pattern_push_captures(&m, from, end);
    lua_pushinteger(L, from - m.subject + 1);
    lua_pushinteger(L, end - m.subject);
    return mw_pattern_push_captures(&m, NULL, NULL) + 2;
  } while (from++ < m.subject_end && !anchored);
  return luaL_pushfail(L), 1;
}

static int l_find(lua_State *L) { return search(L, true); }

static int l_match(lua_State *L) { return search(L, false); }

/* ---- gmatch ---- */

struct iteration {
  struct mw_pattern match;
  const char *from; /* where the next match may begin */
  const char *last; /* the end of the last match: an empty match here is skipped; NULL at first */
};

/* Upvalues: the iteration, and the strings it points into. */
static int next_match(lua_State *L) {
  struct iteration *it = lua_touserdata(L, lua_upvalueindex(1));
  struct mw_pattern *m = &it->match;
  m->L = L;
  for (const char *from = it->from; from <= m->subject_end; from++) {
    const char *end = mw_pattern_match_at(m, from);
    if (!end || end == it->last) continue;
    it->from = it->last = end;
    return mw_pattern_push_captures(m, from, end);
  }
  it->from = m->subject_end + 1;
  return 0;
}

static int l_gmatch(lua_State *L) {
  struct mw_pattern m;
  check_match(L, &m);
  size_t offset = opt_offset(L, 3, (size_t)(m.subject_end - m.subject));
  lua_settop(L, 2);
  struct iteration *it = lua_newuserdatauv(L, sizeof *it, 0);
  it->match = m;
  it->from = offset > (size_t)(m.subject_end - m.subject) ? m.subject_end + 1 : m.subject + offset;
  it->last = NULL;
  lua_insert(L, 1);
  lua_pushcclosure(L, next_match, 3);
  return 1;
}

/* ---- gsub ---- */

/* Adds the replacement string at 3, with %0 to %9 expanded. */
static void add_template(struct mw_pattern *m, luaL_Buffer *out, const char *start, const char *end) {
  size_t len;
  const char *text = lua_tolstring(m->L, 3, &len), *text_end = text + len, *escape;
  while ((escape = memchr(text, '%', (size_t)(text_end - text))) != NULL) {
    mw_budget_bytes(m->L, &m->steps, (size_t)(escape - text));
    luaL_addlstring(out, text, (size_t)(escape - text));
    char what = escape[1];
    text = escape + 2;
    if (what == '%') {
      luaL_addchar(out, '%');
    } else if (what == '0') {
      luaL_addlstring(out, start, (size_t)(end - start));
    } else if (what >= '1' && what <= '9') {
      const char *capture;
      ptrdiff_t capture_len = mw_pattern_capture(m, what - '1', start, end, &capture);
      if (capture_len == MW_CAPTURE_POSITION) {
        luaL_addvalue(out);
      } else {
        luaL_addlstring(out, capture, (size_t)capture_len);
      }
    } else {
      luaL_error(m->L, "invalid use of '%%' in replacement string");
    }
  }
  luaL_addlstring(out, text, (size_t)(text_end - text));
}

/* Adds the value that the table or function at 3 gives for the match. False or nil keeps the match. Returns true if
 * there was a value. */
static bool add_value(struct mw_pattern *m, luaL_Buffer *out, const char *start, const char *end) {
  lua_State *L = m->L;
  if (lua_isfunction(L, 3)) {
    lua_pushvalue(L, 3);
    lua_call(L, mw_pattern_push_captures(m, start, end), 1);
  } else {
    const char *key;
    ptrdiff_t len = mw_pattern_capture(m, 0, start, end, &key);
    if (len != MW_CAPTURE_POSITION) lua_pushlstring(L, key, (size_t)len);
    lua_gettable(L, 3);
  }
  if (!lua_toboolean(L, -1)) {
    lua_pop(L, 1);
    luaL_addlstring(out, start, (size_t)(end - start));
    return false;
  }
  if (!lua_isstring(L, -1)) luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
  luaL_addvalue(out);
  return true;
}

static bool add_replacement(struct mw_pattern *m, luaL_Buffer *out, const char *start, const char *end) {
  if (!lua_isstring(m->L, 3)) return add_value(m, out, start, end);
  add_template(m, out, start, end);
  return true;
}

static int l_gsub(lua_State *L) {
  struct mw_pattern m;
  check_match(L, &m);
  int type = lua_type(L, 3);
  lua_Integer most = luaL_optinteger(L, 4, m.subject_end - m.subject + 1);
  luaL_argexpected(L, type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION || type == LUA_TTABLE, 3,
                   "string/function/table");
  bool anchored = take_anchor(&m), changed = false;
  const char *from = m.subject, *last = NULL;
  lua_Integer n = 0;
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  while (n < most) {
    const char *end = mw_pattern_match_at(&m, from);
    if (end && end != last) {
      n++;
      changed |= add_replacement(&m, &out, from, end);
      from = last = end;
    } else if (from < m.subject_end) {
      luaL_addchar(&out, *from++);
    } else {
      break;
    }
    if (anchored) break;
  }
  if (changed) {
    luaL_addlstring(&out, from, (size_t)(m.subject_end - from));
    luaL_pushresult(&out);
  } else {
    lua_pushvalue(L, 1);
  }
  lua_pushinteger(L, n);
  return 2;
}

/* ---- rep ---- */

/* Fills `size` bytes with copies of the first `unit` bytes. */
static void repeat(lua_State *L, char *bytes, size_t unit, size_t size) {
  for (size_t done = unit; done < size;) {
    size_t whole = done < CHUNK ? done : CHUNK / unit > 0 ? CHUNK / unit * unit : unit;
    size_t n = whole < size - done ? whole : size - done;
    memcpy(bytes + done, bytes, n);
    done += n;
    if (done >= CHUNK) mw_budget_check(L);
  }
}

static int l_rep(lua_State *L) {
  size_t len, between_len;
  const char *text = luaL_checklstring(L, 1, &len);
  lua_Integer n = luaL_checkinteger(L, 2);
  const char *between = luaL_optlstring(L, 3, "", &between_len);
  size_t unit = len + between_len;
  if (n <= 0 || unit == 0) return lua_pushliteral(L, ""), 1;
  if (unit > INT_MAX / (size_t)n) return luaL_error(L, "resulting string too large");
  size_t size = (size_t)n * unit - between_len;
  luaL_Buffer out;
  char *bytes = luaL_buffinitsize(L, &out, size + between_len);
  memcpy(bytes, text, len);
  memcpy(bytes + len, between, between_len);
  repeat(L, bytes, unit, size);
  luaL_pushresultsize(&out, size);
  return 1;
}

/* ---- format, pack, packsize, unpack: Lua's own functions, with a limited format ---- */

/* Adds the character `c` of a string in the form of %q. `next` is the character after it. */
static void add_quoted(luaL_Buffer *out, char c, char next) {
  char digits[5];
  if (c == '"' || c == '\\' || c == '\n') {
    luaL_addchar(out, '\\');
    luaL_addchar(out, c);
  } else if (iscntrl((unsigned char)c)) {
    snprintf(digits, sizeof digits, isdigit((unsigned char)next) ? "\\%03d" : "\\%d", (unsigned char)c);
    luaL_addstring(out, digits);
  } else {
    luaL_addchar(out, c);
  }
}

/* Replaces the string at `arg` by its form of %q. */
static void quote(lua_State *L, int arg) {
  unsigned steps = 0;
  size_t len;
  const char *text = lua_tolstring(L, arg, &len);
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  luaL_addchar(&out, '"');
  for (size_t i = 0; i < len; i++) { /* a zero follows the string */
    mw_budget_tick(L, &steps);
    add_quoted(&out, text[i], text[i + 1]);
  }
  luaL_addchar(&out, '"');
  luaL_pushresult(&out);
  lua_replace(L, arg);
}

/* Quotes the long strings for which the format at 1 has a %q. The %q becomes a %s. */
static void quote_long(lua_State *L) {
  size_t len;
  const char *given = lua_tolstring(L, 1, &len);
  int last = lua_gettop(L), arg = 1;
  luaL_checkstack(L, 8, NULL);
  char *format = lua_newuserdatauv(L, len + 1, 0);
  memcpy(format, given, len + 1);
  for (char *p = format; (p = memchr(p, '%', (size_t)(format + len - p))) != NULL;) {
    if (*++p == '%') {
      p++;
      continue;
    }
    arg++;
    if (*p != 'q' || arg > last || lua_type(L, arg) != LUA_TSTRING || lua_rawlen(L, arg) < LONG) continue;
    quote(L, arg);
    *p = 's';
  }
  lua_pushlstring(L, format, len);
  lua_replace(L, 1);
  lua_settop(L, last);
}

static size_t count(const char *text, size_t len, char c) {
  size_t n = 0;
  for (size_t i = 0; i < len; i++) n += text[i] == c;
  return n;
}

static int l_format(lua_State *L) {
  size_t len;
  const char *format = luaL_checklstring(L, 1, &len);
  luaL_argcheck(L, len <= ITEMS || len > MW_FORMAT_MAX || count(format, len, '%') <= ITEMS, 1,
                "too many items in the format, expected at most 8192 '%'");
  if (len <= MW_FORMAT_MAX && memchr(format, 'q', len)) quote_long(L);
  return mw_libs_with_format(L);
}

void mw_libs_replace_string(lua_State *L) {
  static const luaL_Reg functions[] = {{"find", l_find}, {"match", l_match}, {"gmatch", l_gmatch},
                                       {"gsub", l_gsub}, {"rep", l_rep},     {NULL, NULL}};
  lua_getglobal(L, "string");
  luaL_setfuncs(L, functions, 0);
  mw_libs_wrap(L, "format", l_format);
  mw_libs_wrap(L, "pack", mw_libs_with_format);
  mw_libs_wrap(L, "packsize", mw_libs_with_format);
  mw_libs_wrap(L, "unpack", mw_libs_with_format);
  lua_pop(L, 1);
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1); /* its __index is the library, for every script */
  lua_pushliteral(L, "protected");
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 2);
}
