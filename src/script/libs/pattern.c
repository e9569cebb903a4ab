#include "script/libs/pattern.h"

#include <ctype.h>
#include <lauxlib.h>
#include <string.h>

#include "script/state/budget.h"

enum { MAX_DEPTH = 200, ESCAPE = '%' };

static const char *match(struct mw_pattern *m, const char *s, const char *p);

static int byte_at(const char *p) { return (unsigned char)*p; }

/* ---- single characters ---- */

/* Returns the end of the class that begins at `p`: a character, an escape or a set. */
static const char *class_end(struct mw_pattern *m, const char *p) {
  char first = *p++;
  if (first == ESCAPE) {
    if (p == m->pattern_end) luaL_error(m->L, "malformed pattern (ends with '%%')");
    return p + 1;
  }
  if (first != '[') return p;
  if (*p == '^') p++;
  do { /* a ']' that comes first is a literal */
    if (p == m->pattern_end) luaL_error(m->L, "malformed pattern (missing ']')");
    if (*p++ == ESCAPE && p < m->pattern_end) p++;
  } while (*p != ']');
  return p + 1;
}

static bool in_class(int c, int letter) {
  bool in;
  switch (tolower(letter)) {
    case 'a': in = isalpha(c); break;
    case 'c': in = iscntrl(c); break;
    case 'd': in = isdigit(c); break;
    case 'g': in = isgraph(c); break;
    case 'l': in = islower(c); break;
    case 'p': in = ispunct(c); break;
    case 's': in = isspace(c); break;
    case 'u': in = isupper(c); break;
    case 'w': in = isalnum(c); break;
    case 'x': in = isxdigit(c); break;
    case 'z': in = c == 0; break; /* deprecated since Lua 5.2, but still supported */
    default: return letter == c;
  }
  return isupper(letter) ? !in : in;
}

/* `p` is at the '[' of the set, `last` at its ']'. */
static bool in_set(int c, const char *p, const char *last) {
  bool found = true;
  if (p[1] == '^') {
    found = false;
    p++;
  }
  while (++p < last) {
    if (*p == ESCAPE) {
      if (in_class(c, byte_at(++p))) return found;
    } else if (p[1] == '-' && p + 2 < last) {
      if (byte_at(p) <= c && c <= byte_at(p + 2)) return found;
      p += 2;
    } else if (byte_at(p) == c) {
      return found;
    }
  }
  return !found;
}

/* True if the character at `s` is of the class from `p` to `end`. A set may be long. */
static bool matches_one(struct mw_pattern *m, const char *s, const char *p, const char *end) {
  if (s >= m->subject_end) return false;
  switch (*p) {
    case '.': return true;
    case ESCAPE: return in_class(byte_at(s), byte_at(p + 1));
    case '[': mw_budget_spend(m->L, &m->steps, (size_t)(end - p)); return in_set(byte_at(s), p, end - 1);
    default: return *p == *s;
  }
}

/* ---- repetition of the class from `p` to `end`; the rest of the pattern follows `end` ---- */

static const char *match_longest(struct mw_pattern *m, const char *s, const char *p, const char *end) {
  ptrdiff_t n = 0;
  while (matches_one(m, s + n, p, end)) {
    mw_budget_tick(m->L, &m->steps);
    n++;
  }
  for (; n >= 0; n--) {
    const char *found = match(m, s + n, end + 1);
    if (found) return found;
  }
  return NULL;
}

static const char *match_shortest(struct mw_pattern *m, const char *s, const char *p, const char *end) {
  for (;; s++) {
    const char *found = match(m, s, end + 1);
    if (found) return found;
    if (!matches_one(m, s, p, end)) return NULL;
  }
}

/* ---- captures ---- */

static const char *open_capture(struct mw_pattern *m, const char *s, const char *p, ptrdiff_t len) {
  if (m->n_captures == MW_PATTERN_CAPTURES) luaL_error(m->L, "too many captures");
  m->captures[m->n_captures++] = (struct mw_pattern_capture){s, len};
  const char *found = match(m, s, p);
  if (!found) m->n_captures--;
  return found;
}

static struct mw_pattern_capture *last_open(struct mw_pattern *m) {
  for (int i = m->n_captures - 1; i >= 0; i--) {
    if (m->captures[i].len == MW_CAPTURE_OPEN) return &m->captures[i];
  }
  luaL_error(m->L, "invalid pattern capture");
  return NULL;
}

static const char *close_capture(struct mw_pattern *m, const char *s, const char *p) {
  struct mw_pattern_capture *capture = last_open(m);
  capture->len = s - capture->start;
  const char *found = match(m, s, p);
  if (!found) capture->len = MW_CAPTURE_OPEN;
  return found;
}

/* %1 to %9: matches the text of the capture again. */
static const char *skip_same(struct mw_pattern *m, const char *s, int digit) {
  int i = digit - '1';
  if (i < 0 || i >= m->n_captures || m->captures[i].len == MW_CAPTURE_OPEN) {
    luaL_error(m->L, "invalid capture index %%%d", i + 1);
  }
  const struct mw_pattern_capture *capture = &m->captures[i];
  if (capture->len < 0 || m->subject_end - s < capture->len) return NULL;
  mw_budget_bytes(m->L, &m->steps, (size_t)capture->len);
  return memcmp(capture->start, s, (size_t)capture->len) == 0 ? s + capture->len : NULL;
}

/* ---- %b and %f ---- */

/* %bxy, with `p` at the x. Returns the end of the balanced text from `s` on. */
static const char *skip_balanced(struct mw_pattern *m, const char *s, const char *p) {
  if (p >= m->pattern_end - 1) luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
  char open = p[0], close = p[1];
  if (*s != open) return NULL;
  size_t level = 1;
  while (++s < m->subject_end) {
    mw_budget_tick(m->L, &m->steps);
    if (*s == close) {
      if (--level == 0) return s + 1;
    } else if (*s == open) {
      level++;
    }
  }
  return NULL;
}

/* %f[set], with `p` at the '[' and `end` after the ']'. True if `s` is a transition into the set. */
static bool is_frontier(struct mw_pattern *m, const char *s, const char *p, const char *end) {
  mw_budget_spend(m->L, &m->steps, (size_t)(end - p));
  int before = s == m->subject ? 0 : byte_at(s - 1);
  int here = byte_at(s); /* zero at the end of the subject */
  return !in_set(before, p, end - 1) && in_set(here, p, end - 1);
}

/* ---- the pattern ---- */

/* Result of an item: continue with the pattern at `*s` and `*p`, or the match has ended at `*s`, NULL for none. */
enum outcome { GO_ON, ENDED };

static enum outcome end_with(const char **s, const char *found) {
  *s = found;
  return ENDED;
}

/* Matches a class and its suffix, if it has one: * + - or ?. */
static enum outcome match_class(struct mw_pattern *m, const char **s, const char **p) {
  const char *end = class_end(m, *p);
  bool one;
  mw_budget_spend(m->L, &m->steps, (size_t)(end - *p));
  switch (*end) {
    case '*': return end_with(s, match_longest(m, *s, *p, end));
    case '-': return end_with(s, match_shortest(m, *s, *p, end));
    case '+': return end_with(s, matches_one(m, *s, *p, end) ? match_longest(m, *s + 1, *p, end) : NULL);
    case '?':
      if (matches_one(m, *s, *p, end)) {
        const char *found = match(m, *s + 1, end + 1);
        if (found) return end_with(s, found);
      }
      *p = end + 1;
      return GO_ON;
    default:
      one = matches_one(m, *s, *p, end);
      *p = end;
      *s = one ? *s + 1 : NULL;
      return one ? GO_ON : ENDED;
  }
}

/* An item that begins with '%'. */
static enum outcome match_escape(struct mw_pattern *m, const char **s, const char **p) {
  const char *item = *p + 2;
  switch (item[-1]) {
    case 'b':
      *s = skip_balanced(m, *s, item);
      *p = item + 2;
      return *s ? GO_ON : ENDED;
    case 'f':
      if (*item != '[') luaL_error(m->L, "missing '[' after '%%f' in pattern");
      *p = class_end(m, item);
      return is_frontier(m, *s, item, *p) ? GO_ON : end_with(s, NULL);
    default:
      if (!isdigit(byte_at(item - 1))) return match_class(m, s, p);
      *s = skip_same(m, *s, byte_at(item - 1));
      *p = item;
      return *s ? GO_ON : ENDED;
  }
}

static enum outcome match_item(struct mw_pattern *m, const char **s, const char **p) {
  const char *item = *p;
  switch (*item) {
    case '(':
      if (item[1] == ')') return end_with(s, open_capture(m, *s, item + 2, MW_CAPTURE_POSITION));
      return end_with(s, open_capture(m, *s, item + 1, MW_CAPTURE_OPEN));
    case ')': return end_with(s, close_capture(m, *s, item + 1));
    case '$':
      if (item + 1 != m->pattern_end) return match_class(m, s, p);
      return end_with(s, *s == m->subject_end ? *s : NULL);
    case ESCAPE: return match_escape(m, s, p);
    default: return match_class(m, s, p);
  }
}

/* Matches the pattern from `p` on at `s`. Returns the end of the match, or NULL. */
static const char *match(struct mw_pattern *m, const char *s, const char *p) {
  if (++m->depth > MAX_DEPTH) luaL_error(m->L, "pattern too complex");
  enum outcome outcome = GO_ON;
  while (outcome == GO_ON && p != m->pattern_end) {
    mw_budget_tick(m->L, &m->steps);
    outcome = match_item(m, &s, &p);
  }
  m->depth--;
  return s;
}

void mw_pattern_init(struct mw_pattern *m, lua_State *L, const char *subject, size_t subject_len, const char *pattern,
                     size_t pattern_len) {
  m->L = L;
  m->subject = subject;
  m->subject_end = subject + subject_len;
  m->pattern = pattern;
  m->pattern_end = pattern + pattern_len;
  m->steps = 0;
}

const char *mw_pattern_match_at(struct mw_pattern *m, const char *from) {
  m->depth = 0;
  m->n_captures = 0;
  mw_budget_turn(m->L, &m->steps); /* an empty pattern has no item */
  return match(m, from, m->pattern);
}

ptrdiff_t mw_pattern_capture(struct mw_pattern *m, int i, const char *start, const char *end, const char **out) {
  if (i >= m->n_captures) {
    if (i != 0) luaL_error(m->L, "invalid capture index %%%d", i + 1);
    *out = start;
    return end - start;
  }
  const struct mw_pattern_capture *capture = &m->captures[i];
  if (capture->len == MW_CAPTURE_OPEN) luaL_error(m->L, "unfinished capture");
  if (capture->len == MW_CAPTURE_POSITION) lua_pushinteger(m->L, capture->start - m->subject + 1);
  *out = capture->start;
  return capture->len;
}

int mw_pattern_push_captures(struct mw_pattern *m, const char *start, const char *end) {
  int n = m->n_captures == 0 && start ? 1 : m->n_captures;
  luaL_checkstack(m->L, n, "too many captures");
  for (int i = 0; i < n; i++) {
    const char *text;
    ptrdiff_t len = mw_pattern_capture(m, i, start, end, &text);
    if (len != MW_CAPTURE_POSITION) lua_pushlstring(m->L, text, (size_t)len);
  }
  return n;
}
