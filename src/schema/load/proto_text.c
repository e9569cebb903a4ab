#include "schema/load/proto_text.h"

static void take(struct mw_proto_text *text, size_t n) {
  for (size_t i = 0; i < n; i++) text->line += text->rest.data[i] == '\n';
  text->rest = mw_slice(text->rest.data + n, text->rest.len - n);
}

static bool is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static bool is_word(uint8_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

/* Returns the number of bytes up to and including `end`; all if `end` does not occur. */
static size_t up_to(struct mw_slice text, const char *end) {
  const uint8_t *found = memmem(text.data, text.len, end, strlen(end));
  return found ? (size_t)(found - text.data) + strlen(end) : text.len;
}

/* Returns the length of the white space or the one comment at the beginning. */
static size_t blank(struct mw_slice text) {
  size_t n = 0;
  while (n < text.len && is_space(text.data[n])) n++;
  if (n > 0 || text.len < 2 || text.data[0] != '/') return n;
  if (text.data[1] == '/') return up_to(text, "\n");
  return text.data[1] == '*' ? 2 + up_to(mw_slice(text.data + 2, text.len - 2), "*/") : 0;
}

/* Returns the length of the string at the beginning, quotes included. A string ends at the end of its line at the
 * latest. */
static size_t quoted(struct mw_slice text) {
  size_t n = 1;
  while (n < text.len && text.data[n] != text.data[0] && text.data[n] != '\n') n += text.data[n] == '\\' ? 2 : 1;
  return n < text.len ? n + 1 : text.len;
}

struct mw_slice mw_proto_next_token(struct mw_proto_text *text) {
  for (size_t n; (n = blank(text->rest)) > 0;) take(text, n);
  const struct mw_slice rest = text->rest;
  size_t n = 0;
  while (n < rest.len && is_word(rest.data[n])) n++;
  if (n == 0 && rest.len > 0) n = rest.data[0] == '"' || rest.data[0] == '\'' ? quoted(rest) : 1;
  take(text, n);
  return mw_slice(rest.data, n);
}

static bool is_string(struct mw_slice token) {
  return token.len >= 2 && (token.data[0] == '"' || token.data[0] == '\'') &&
         token.data[token.len - 1] == token.data[0];
}

bool mw_proto_next_import(struct mw_proto_text *text, struct mw_slice *path, unsigned *line) {
  for (struct mw_slice token; (token = mw_proto_next_token(text)).len > 0;) {
    if (!mw_slice_eq_str(token, "import")) continue;
    *line = text->line;
    token = mw_proto_next_token(text);
    if (mw_slice_eq_str(token, "public") || mw_slice_eq_str(token, "weak")) token = mw_proto_next_token(text);
    if (!is_string(token)) continue;
    *path = mw_slice(token.data + 1, token.len - 2);
    return true;
  }
  return false;
}
