#include "schema/json/json_token.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"

void mw_json_lexer_init(struct mw_json_lexer *lexer, struct mw_slice text) {
  *lexer = (struct mw_json_lexer){.text = text, .line = 1, .column = 1, .want = MW_JSON_WANT_VALUE};
}

void mw_json_locate(struct mw_slice text, size_t at, unsigned *line, unsigned *column) {
  for (size_t i = 0; i < at && i < text.len; i++) {
    if (text.data[i] == '\n') {
      ++*line;
      *column = 1;
    } else if ((text.data[i] & 0xc0) != 0x80) {
      ++*column;
    }
  }
}

MW_PRINTF(5, 6)
static int fail_at(const struct mw_json_lexer *lexer, size_t at, int code, struct mw_err *err, const char *fmt, ...) {
  char words[128];
  unsigned line, column;
  va_list args;
  va_start(args, fmt);
  vsnprintf(words, sizeof words, fmt, args);
  va_end(args);
  mw_json_position(lexer, at, &line, &column);
  return mw_err_set(err, code, "%u:%u: %s", line, column, words);
}

/* Fails with "expected WHAT, got 'x'" at the current position. */
static int unexpected(const struct mw_json_lexer *lexer, struct mw_err *err, const char *what) {
  if (lexer->at >= lexer->text.len)
    return fail_at(lexer, lexer->at, MW_EFORMAT, err, "expected %s, got the end of the text", what);
  unsigned c = lexer->text.data[lexer->at];
  if (c > ' ' && c < 0x7f) return fail_at(lexer, lexer->at, MW_EFORMAT, err, "expected %s, got '%c'", what, (int)c);
  return fail_at(lexer, lexer->at, MW_EFORMAT, err, "expected %s, got the byte 0x%02x", what, c);
}

/* Returns the byte `ahead` of the current one; -1 past the end. */
static int peek(const struct mw_json_lexer *lexer, size_t ahead) {
  return ahead < lexer->text.len - lexer->at ? lexer->text.data[lexer->at + ahead] : -1;
}

static void skip_space(struct mw_json_lexer *lexer) {
  for (int c = peek(lexer, 0); c == ' ' || c == '\t' || c == '\n' || c == '\r'; c = peek(lexer, 0)) lexer->at++;
}

/* ---- strings ---- */

static int hex_value(int c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* Returns the value of four hexadecimal digits at `at`; -1 if they are malformed. */
static int hex4(struct mw_slice text, size_t at) {
  int value = 0;
  if (at > text.len || text.len - at < 4) return -1;
  for (size_t i = 0; i < 4; i++) {
    int digit = hex_value(text.data[at + i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

static bool is_high_surrogate(int unit) { return unit >= 0xd800 && unit < 0xdc00; }
static bool is_low_surrogate(int unit) { return unit >= 0xdc00 && unit < 0xe000; }

/* Returns the length of the escape at `at`, a backslash; 0 if it is malformed. */
static size_t escape_len(struct mw_slice text, size_t at) {
  if (at + 1 >= text.len) return 0;
  if (text.data[at + 1] != 'u') return strchr("\"\\/bfnrt", text.data[at + 1]) && text.data[at + 1] ? 2 : 0;
  int unit = hex4(text, at + 2);
  if (unit < 0 || is_low_surrogate(unit)) return 0;
  if (!is_high_surrogate(unit)) return 6;
  if (at + 7 >= text.len || text.data[at + 6] != '\\' || text.data[at + 7] != 'u') return 0;
  return is_low_surrogate(hex4(text, at + 8)) ? 12 : 0;
}

static int lex_string(struct mw_json_lexer *lexer, struct mw_json_token *token, struct mw_err *err) {
  const struct mw_slice text = lexer->text;
  size_t start = ++lexer->at;
  token->escaped = false;
  while (lexer->at < text.len && text.data[lexer->at] != '"') {
    if (text.data[lexer->at] < 0x20) {
      return fail_at(lexer, lexer->at, MW_EFORMAT, err, "the control character 0x%02x in a string must be escaped",
                     (unsigned)text.data[lexer->at]);
    }
    size_t len = 1;
    if (text.data[lexer->at] == '\\') {
      len = escape_len(text, lexer->at);
      if (len == 0)
        return fail_at(lexer, lexer->at, MW_EFORMAT, err, "invalid escape or unpaired surrogate in a string");
      token->escaped = true;
    }
    lexer->at += len;
  }
  if (lexer->at >= text.len) return unexpected(lexer, err, "'\"' at the end of the string");
  token->text = mw_slice(text.data + start, lexer->at - start);
  lexer->at++;
  if (!mw_utf8_valid(token->text)) return fail_at(lexer, token->at, MW_EFORMAT, err, "the string is not valid UTF-8");
  return 0;
}

static size_t put_utf8(char *out, unsigned code) {
  if (code < 0x80) {
    out[0] = (char)code;
    return 1;
  }
  size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  static const unsigned lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
  for (size_t i = len - 1; i > 0; i--) {
    out[i] = (char)(0x80 | (code & 0x3f));
    code >>= 6;
  }
  out[0] = (char)(lead[len] | code);
  return len;
}

size_t mw_json_unescape(struct mw_slice text, char *out) {
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  size_t len = 0;
  for (size_t i = 0; i < text.len;) {
    if (text.data[i] != '\\') {
      out[len++] = (char)text.data[i++];
      continue;
    }
    size_t taken = escape_len(text, i);
    if (taken == 2) {
      out[len++] = to[strchr(from, text.data[i + 1]) - from];
    } else {
      unsigned code = (unsigned)hex4(text, i + 2);
      if (taken == 12) code = 0x10000 + ((code - 0xd800) << 10) + ((unsigned)hex4(text, i + 8) - 0xdc00);
      len += put_utf8(out + len, code);
    }
    i += taken;
  }
  return len;
}

/* ---- numbers and words ---- */

static bool is_digit(int c) { return c >= '0' && c <= '9'; }

/* Skips digits. False if there is none. */
static bool skip_digits(struct mw_json_lexer *lexer) {
  if (!is_digit(peek(lexer, 0))) return false;
  while (is_digit(peek(lexer, 0))) lexer->at++;
  return true;
}

static int lex_number(struct mw_json_lexer *lexer, struct mw_json_token *token, struct mw_err *err) {
  if (peek(lexer, 0) == '-') lexer->at++;
  bool zero = peek(lexer, 0) == '0';
  if (!skip_digits(lexer)) return unexpected(lexer, err, "a digit");
  if (zero && lexer->at - token->at > (lexer->text.data[token->at] == '-' ? 2u : 1u))
    return fail_at(lexer, token->at, MW_EFORMAT, err, "a number must not have leading zeros");
  if (peek(lexer, 0) == '.') {
    lexer->at++;
    if (!skip_digits(lexer)) return unexpected(lexer, err, "a digit");
  }
  if (peek(lexer, 0) == 'e' || peek(lexer, 0) == 'E') {
    lexer->at++;
    if (peek(lexer, 0) == '+' || peek(lexer, 0) == '-') lexer->at++;
    if (!skip_digits(lexer)) return unexpected(lexer, err, "a digit");
  }
  token->text = mw_slice(lexer->text.data + token->at, lexer->at - token->at);
  if (token->text.len > MW_JSON_NUMBER_LEN)
    return fail_at(lexer, token->at, MW_ELIMIT, err, "a number of more than %d characters", MW_JSON_NUMBER_LEN);
  return 0;
}

static int lex_word(struct mw_json_lexer *lexer, struct mw_json_token *token, struct mw_err *err) {
  static const struct {
    const char *word;
    enum mw_json_kind kind;
  } words[] = {{"true", MW_JSON_TRUE}, {"false", MW_JSON_FALSE}, {"null", MW_JSON_NULL}};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    size_t len = strlen(words[i].word);
    if (lexer->text.len - lexer->at < len || memcmp(lexer->text.data + lexer->at, words[i].word, len) != 0) continue;
    token->kind = words[i].kind;
    token->text = mw_slice(lexer->text.data + lexer->at, len);
    lexer->at += len;
    return 0;
  }
  return unexpected(lexer, err, "a value");
}

/* ---- the grammar ---- */

static bool in_object(const struct mw_json_lexer *lexer) {
  unsigned level = lexer->depth - 1;
  return lexer->objects[level / 64] >> (level % 64) & 1;
}

static int open_level(struct mw_json_lexer *lexer, struct mw_json_token *token, struct mw_err *err) {
  if (lexer->depth == MW_JSON_DEPTH)
    return fail_at(lexer, lexer->at, MW_ELIMIT, err, "nested deeper than %d levels", MW_JSON_DEPTH);
  uint64_t bit = (uint64_t)1 << (lexer->depth % 64);
  uint64_t *word = &lexer->objects[lexer->depth / 64];
  bool object = peek(lexer, 0) == '{';
  *word = object ? *word | bit : *word & ~bit;
  lexer->depth++;
  lexer->at++;
  lexer->want = MW_JSON_WANT_FIRST;
  token->kind = object ? MW_JSON_OBJECT : MW_JSON_ARRAY;
  return 0;
}

static int close_level(struct mw_json_lexer *lexer, struct mw_json_token *token) {
  token->kind = in_object(lexer) ? MW_JSON_OBJECT_END : MW_JSON_ARRAY_END;
  lexer->depth--;
  lexer->at++;
  lexer->want = MW_JSON_WANT_MORE;
  return 0;
}

static int lex_value(struct mw_json_lexer *lexer, struct mw_json_token *token, struct mw_err *err) {
  int c = peek(lexer, 0);
  if (c == '{' || c == '[') return open_level(lexer, token, err);
  lexer->want = MW_JSON_WANT_MORE;
  if (c == '"') {
    token->kind = MW_JSON_STRING;
    return lex_string(lexer, token, err);
  }
  if (c == '-' || is_digit(c)) {
    token->kind = MW_JSON_NUMBER;
    return lex_number(lexer, token, err);
  }
  return lex_word(lexer, token, err);
}

static int lex_key(struct mw_json_lexer *lexer, struct mw_json_token *token, struct mw_err *err) {
  if (peek(lexer, 0) != '"') return unexpected(lexer, err, "a key in double quotes");
  token->kind = MW_JSON_KEY;
  int rc = lex_string(lexer, token, err);
  if (rc != 0) return rc;
  skip_space(lexer);
  if (peek(lexer, 0) != ':') return unexpected(lexer, err, "':' behind the key");
  lexer->at++;
  lexer->want = MW_JSON_WANT_VALUE;
  return 0;
}

/* Reads after a value: the end, a closing bracket, or a comma, which is taken. */
static int lex_more(struct mw_json_lexer *lexer, struct mw_json_token *token, struct mw_err *err, bool *comma) {
  *comma = false;
  if (lexer->depth == 0) {
    token->kind = MW_JSON_END;
    return lexer->at == lexer->text.len ? 0 : unexpected(lexer, err, "the end of the text");
  }
  if (peek(lexer, 0) == (in_object(lexer) ? '}' : ']')) return close_level(lexer, token);
  if (peek(lexer, 0) != ',') return unexpected(lexer, err, in_object(lexer) ? "',' or '}'" : "',' or ']'");
  *comma = true;
  lexer->at++;
  skip_space(lexer);
  token->at = lexer->at;
  return 0;
}

static int lex_token(struct mw_json_lexer *lexer, struct mw_json_token *token, struct mw_err *err) {
  skip_space(lexer);
  *token = (struct mw_json_token){.at = lexer->at};
  if (lexer->want == MW_JSON_WANT_MORE) {
    bool comma;
    int rc = lex_more(lexer, token, err, &comma);
    if (rc != 0 || !comma) return rc;
  } else if (lexer->want == MW_JSON_WANT_VALUE) {
    return lex_value(lexer, token, err);
  } else if (peek(lexer, 0) == (in_object(lexer) ? '}' : ']')) {
    return close_level(lexer, token);
  }
  return in_object(lexer) ? lex_key(lexer, token, err) : lex_value(lexer, token, err);
}

int mw_json_next(struct mw_json_lexer *lexer, struct mw_json_token *token, struct mw_err *err) {
  size_t before = lexer->at;
  int rc = lex_token(lexer, token, err);
  if (rc != 0 || !mw_pace_is_over(lexer->pace, lexer->at - before)) return rc;
  return fail_at(lexer, lexer->at, MW_ELIMIT, err, "reading took too long");
}

int mw_json_skip(struct mw_json_lexer *lexer, const struct mw_json_token *token, struct mw_err *err) {
  if (token->kind != MW_JSON_OBJECT && token->kind != MW_JSON_ARRAY) return 0;
  unsigned outside = lexer->depth - 1;
  int rc = 0;
  while (rc == 0 && lexer->depth > outside) {
    struct mw_json_token inner;
    rc = mw_json_next(lexer, &inner, err);
  }
  return rc;
}

void mw_json_show(const struct mw_json_token *token, char out[MW_JSON_SHOW_LEN]) {
  enum { MOST = 40 };
  const char *quote = token->kind == MW_JSON_STRING || token->kind == MW_JSON_KEY ? "\"" : "";
  const char *fixed = token->kind == MW_JSON_OBJECT ? "an object" : token->kind == MW_JSON_ARRAY ? "an array" : NULL;
  size_t len = token->text.len;
  if (len > MOST) {
    len = MOST;
    while (len > 0 && (token->text.data[len] & 0xc0) == 0x80) len--;
  }
  if (fixed) {
    snprintf(out, MW_JSON_SHOW_LEN, "%s", fixed);
  } else {
    snprintf(out, MW_JSON_SHOW_LEN, "%s%.*s%s%s", quote, (int)len, (const char *)token->text.data,
             len < token->text.len ? "..." : "", quote);
  }
}
