#include "script/program/names.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

#include "observe/log.h"
#include "script/lua/guard.h"

enum { CHAIN_NAMES = 6 }; /* names of a chain that are checked */

/* ---- tokens ---- */

enum kind { END, NAME, STRING, NUMBER, SYMBOL };

struct scanner {
  lua_State *L;
  const char *at, *end;
  unsigned line, steps;
  enum kind kind; /* kind of the token before `at` */
  const char *text;
  size_t len;
  unsigned token_line;
  enum kind last; /* kind of the token before that, and its first byte if it is the only one */
  char last_byte;
};

static bool is_name(int c) { return isalnum((unsigned char)c) || c == '_'; }

/* Returns the level of a long bracket that opens at `p`, or -1. */
static int long_level(const struct scanner *s, const char *p) {
  const char *q = p + 1;
  if (p >= s->end || *p != '[') return -1;
  while (q < s->end && *q == '=') q++;
  return q < s->end && *q == '[' ? (int)(q - p - 1) : -1;
}

/* Consumes one byte. */
static void step(struct scanner *s) {
  mw_budget_tick(s->L, &s->steps);
  s->line += *s->at++ == '\n';
}

static void skip_long(struct scanner *s, int level) {
  for (s->at += level + 2; s->at < s->end; step(s)) {
    const char *q = s->at + 1;
    if (*s->at != ']') continue;
    while (q < s->end && *q == '=') q++;
    if (q - s->at - 1 != level || q >= s->end || *q != ']') continue;
    s->at = q + 1;
    return;
  }
}

static void skip_quoted(struct scanner *s) {
  char quote = *s->at;
  for (step(s); s->at < s->end && *s->at != quote; step(s)) {
    if (*s->at == '\\' && s->at + 1 < s->end) step(s);
  }
  if (s->at < s->end) s->at++;
}

static void skip_space(struct scanner *s) {
  while (s->at < s->end) {
    bool comment = s->end - s->at >= 2 && s->at[0] == '-' && s->at[1] == '-';
    if (!comment && !isspace((unsigned char)*s->at)) return;
    if (!comment) {
      step(s);
    } else if (long_level(s, s->at + 2) >= 0) {
      s->at += 2;
      skip_long(s, long_level(s, s->at));
    } else {
      while (s->at < s->end && *s->at != '\n') step(s);
    }
  }
}

/* "..", "...", "::" and "==" are one token each, so that they are not mistaken for "." ":" or "=". */
static void take_symbol(struct scanner *s) {
  char first = *s->at++;
  while (strchr(".:=", first) && s->at < s->end && *s->at == first) s->at++;
}

static void next(struct scanner *s) {
  mw_budget_tick(s->L, &s->steps);
  s->last = s->kind;
  s->last_byte = s->len > 0 && s->len < 2 ? *s->text : '\0';
  skip_space(s);
  s->text = s->at;
  s->token_line = s->line;
  if (s->at == s->end) {
    s->kind = END;
  } else if (isdigit((unsigned char)*s->at)) {
    s->kind = NUMBER;
    while (s->at < s->end && (is_name(*s->at) || *s->at == '.')) step(s);
  } else if (is_name(*s->at)) {
    s->kind = NAME;
    while (s->at < s->end && is_name(*s->at)) step(s);
  } else if (*s->at == '"' || *s->at == '\'') {
    s->kind = STRING;
    skip_quoted(s);
  } else if (long_level(s, s->at) >= 0) {
    s->kind = STRING;
    skip_long(s, long_level(s, s->at));
  } else {
    s->kind = SYMBOL;
    take_symbol(s);
  }
  s->len = (size_t)(s->at - s->text);
}

static bool token_is(const struct scanner *s, const char *text) {
  return (s->kind == NAME || s->kind == SYMBOL) && s->len == strlen(text) && memcmp(s->text, text, s->len) == 0;
}

static bool is_word(const struct scanner *s) {
  static const char *const words[] = {"and",      "break",  "do",   "else", "elseif", "end",  "false", "for",
                                      "function", "goto",   "if",   "in",   "local",  "nil",  "not",   "or",
                                      "repeat",   "return", "then", "true", "until",  "while"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (token_is(s, words[i])) return true;
  }
  return false;
}

/* ---- declarations and uses: tables at these stack indices ---- */

enum {
  DECLARED = 2, /* name -> true */
  API,          /* name -> true, for `local NAME = require "moonwire"` */
  USED,         /* chain -> line of the first call or index */
  OTHER         /* chain -> true, for another use */
};

static void mark(const struct scanner *s, int table, const char *text, size_t len) {
  lua_pushlstring(s->L, text, len);
  lua_pushboolean(s->L, true);
  lua_rawset(s->L, table);
}

static void declare(struct scanner *s) {
  mark(s, DECLARED, s->text, s->len);
  next(s);
}

/* `NAME [<attribute>] {, NAME ...}`, with the scanner at the first name. */
static void declare_list(struct scanner *s) {
  while (s->kind == NAME && !is_word(s)) {
    declare(s);
    if (token_is(s, "<")) next(s), next(s), next(s);
    if (!token_is(s, ",")) return;
    next(s);
  }
}

/* The scanner is after "function". */
static void take_function(struct scanner *s, bool local) {
  if (local && s->kind == NAME) declare(s);
  while (s->kind == NAME || token_is(s, ".") || token_is(s, ":")) next(s);
  if (!token_is(s, "(")) return;
  next(s);
  declare_list(s);
}

/* The scanner is after "local". */
static void take_local(struct scanner *s) {
  if (token_is(s, "function")) {
    next(s);
    take_function(s, true);
    return;
  }
  struct scanner first = *s;
  next(s);
  if (token_is(s, "<")) next(s), next(s), next(s);
  bool api = token_is(s, "=");
  if (api) next(s);
  api = api && token_is(s, "require");
  if (api) next(s);
  if (api && token_is(s, "(")) next(s);
  if (api && s->kind == STRING && s->len == strlen("'moonwire'") && memcmp(s->text + 1, "moonwire", 8) == 0) {
    mark(s, API, first.text, first.len);
  } else {
    *s = first;
    declare_list(s);
  }
}

/* A chain NAME {.NAME}, with the scanner at the first name. */
static void take_chain(struct scanner *s) {
  lua_State *L = s->L;
  unsigned line = s->token_line;
  lua_pushlstring(L, s->text, s->len);
  next(s);
  for (int n = 1; n < CHAIN_NAMES; n++) {
    struct scanner dot = *s;
    if (!token_is(s, ".")) break;
    next(s);
    if (s->kind != NAME) {
      *s = dot;
      break;
    }
    lua_pushliteral(L, ".");
    lua_pushlstring(L, s->text, s->len);
    lua_concat(L, 3);
    next(s);
  }
  bool used = s->kind == STRING || token_is(s, "(") || token_is(s, "{") || token_is(s, "[") || token_is(s, ":") ||
              token_is(s, ".");
  lua_pushvalue(L, -1);
  if (used && lua_rawget(L, USED) == LUA_TNIL) {
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_pushinteger(L, line);
    lua_rawset(L, USED);
    lua_settop(L, OTHER);
    return;
  }
  lua_settop(L, OTHER + 1);
  if (!used) mark(s, OTHER, lua_tostring(L, -1), lua_rawlen(L, -1));
  lua_settop(L, OTHER);
}

static void scan(struct scanner *s) {
  for (next(s); s->kind != END;) {
    bool field = s->last == SYMBOL && (s->last_byte == '.' || s->last_byte == ':');
    if (s->kind != NAME || field) {
      next(s);
    } else if (token_is(s, "function")) {
      next(s);
      take_function(s, false);
    } else if (token_is(s, "local")) {
      next(s);
      take_local(s);
    } else if (token_is(s, "for")) {
      next(s);
      declare_list(s);
    } else if (token_is(s, "goto")) {
      next(s);
      next(s);
    } else if (is_word(s)) {
      next(s);
    } else {
      take_chain(s);
    }
  }
}

/* ---- names without a value ---- */

static bool has(lua_State *L, int table, const char *name, size_t len) {
  lua_pushlstring(L, name, len);
  bool found = lua_rawget(L, table) != LUA_TNIL;
  lua_pop(L, 1);
  return found;
}

/* Reads the key at index 2 of the table at index 1, as a script does. */
static int read_field(lua_State *L) {
  lua_gettable(L, 1);
  return 1;
}

/* Pushes words for the field `key`, which the table at the top lacks, and returns true. If the field may exist by other
 * means, pushes nothing and returns false. `parent` is NULL for globals. */
static bool push_words(lua_State *L, bool api, const char *parent, const char *key) {
  lua_pushcfunction(L, read_field);
  lua_pushvalue(L, -2);
  lua_pushstring(L, key);
  int rc = lua_pcall(L, 2, 1, 0);
  if (rc != LUA_OK && mw_budget_settle(L, rc)) lua_error(L);
  if (rc != LUA_OK && lua_type(L, -1) == LUA_TSTRING) return true;
  bool lacks = rc == LUA_OK && lua_isnil(L, -1) && !api;
  lua_pop(L, 1);
  if (!lacks) return false;
  const char *near = mw_guard_nearest(L, -1, key);
  const char *before = near ? " (did you mean " : "", *after = near ? "?)" : "";
  if (parent) {
    lua_pushfstring(L, "%s has no %s%s%s%s", parent, key, before, near ? near : "", after);
  } else {
    lua_pushfstring(L, "undefined global %s%s%s%s", key, before, near ? near : "", after);
  }
  return true;
}

/* Follows the chain from the table at the top. If a part has no value and is never used in another way, pushes words
 * and returns true. */
static bool push_unresolved(lua_State *L, const char *chain, bool api) {
  size_t len = strlen(chain), begin = 0;
  const char *parent = NULL;
  while (begin < len) {
    size_t n = strcspn(chain + begin, ".");
    if (api && begin == 0) { /* the module itself */
      begin += n + 1;
      parent = "mw";
      continue;
    }
    const char *key = lua_pushlstring(L, chain + begin, n);
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) == LUA_TNIL) {
      lua_pop(L, 1);
      lua_insert(L, -2); /* the key, below the table */
      return !has(L, OTHER, chain, begin + n) && push_words(L, api, parent, key);
    }
    if (!lua_istable(L, -1)) return false;
    parent = lua_pushlstring(L, chain, begin + n);
    lua_insert(L, -2);
    begin += n + 1;
  }
  return false;
}

struct checking {
  struct mw_program *program;
  const struct mw_script_file *file;
};

/* If the chain `chain`, used on `line`, has no value, logs it. */
static void check_chain(lua_State *L, const struct checking *checking, const char *chain, lua_Integer line) {
  size_t root = strcspn(chain, ".");
  bool api = has(L, API, chain, root);
  if (has(L, DECLARED, chain, root)) return;
  if (!api && (has(L, DECLARED, "_ENV", 4) || has(L, OTHER, "_ENV", 4))) return;
  luaL_checkstack(L, 40, NULL);
  if (api) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, checking->program->modules_ref);
    lua_getfield(L, -1, "moonwire");
  } else {
    lua_rawgeti(L, LUA_REGISTRYINDEX, checking->program->env_ref);
  }
  if (!push_unresolved(L, chain, api)) return;
  char place[256];
  snprintf(place, sizeof place, "%s:%lld", checking->file->path, (long long)line);
  struct mw_log_field fields[] = {{"at", place}, {NULL, NULL}};
  mw_log(MW_LOG_WARN, fields, "%s", lua_tostring(L, -1));
}

static int check_file(lua_State *L) {
  const struct checking *checking = lua_touserdata(L, 1);
  struct mw_slice text = checking->file->bytes;
  struct scanner s = {.L = L, .at = (const char *)text.data, .end = (const char *)text.data + text.len, .line = 1};
  lua_settop(L, 1);
  for (int i = DECLARED; i <= OTHER; i++) lua_newtable(L);
  if (text.len >= 3 && memcmp(s.at, "\xef\xbb\xbf", 3) == 0) s.at += 3;
  if (s.at < s.end && *s.at == '#') {
    while (s.at < s.end && *s.at != '\n') step(&s);
  }
  scan(&s);
  unsigned steps = 0;
  for (lua_pushnil(L); lua_next(L, USED) != 0; lua_settop(L, OTHER + 1)) {
    mw_budget_turn(L, &steps);
    check_chain(L, checking, lua_tostring(L, OTHER + 1), lua_tointeger(L, OTHER + 2));
  }
  return 0;
}

int mw_names_check(struct mw_program *program, struct mw_err *err) {
  int rc = 0;
  for (size_t i = 0; i < program->n_files && rc == 0; i++) {
    struct checking checking = {program, &program->files[i]};
    rc = mw_vm_protect(program->vm, check_file, &checking, err);
  }
  return rc;
}
