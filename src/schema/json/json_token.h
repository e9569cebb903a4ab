/* A pull tokenizer for JSON (RFC 8259), strict: no comments, no trailing commas, no lone surrogates, valid UTF-8.
 *
 * It enforces the grammar: its caller never receives a comma, a colon or an unbalanced bracket. It copies nothing and
 * allocates nothing; tokens point into the text. Numbers stay text (schema/json/json_number.h). */
#ifndef MW_SCHEMA_JSON_JSON_TOKEN_H
#define MW_SCHEMA_JSON_JSON_TOKEN_H

#include "base/err.h"
#include "base/pace.h"
#include "base/slice.h"

enum {
  MW_JSON_DEPTH = 100,       /* greatest nesting of arrays and objects */
  MW_JSON_NUMBER_LEN = 1000, /* greatest length of a number */
  MW_JSON_SHOW_LEN = 64      /* size of the buffer of mw_json_show() */
};

enum mw_json_kind {
  MW_JSON_OBJECT, /* then KEY and a value, repeatedly, then OBJECT_END */
  MW_JSON_OBJECT_END,
  MW_JSON_ARRAY, /* then values, then ARRAY_END */
  MW_JSON_ARRAY_END,
  MW_JSON_KEY,
  MW_JSON_STRING,
  MW_JSON_NUMBER,
  MW_JSON_TRUE,
  MW_JSON_FALSE,
  MW_JSON_NULL,
  MW_JSON_END /* end of the text */
};

struct mw_json_token {
  enum mw_json_kind kind;
  bool escaped;         /* key, string: contains backslashes; see mw_json_unescape() */
  struct mw_slice text; /* key, string: the text between the quotes; number: its characters */
  size_t at;            /* byte offset of the first character */
};

/* A plain struct: a copy is a bookmark to return to. */
struct mw_json_lexer {
  struct mw_slice text;
  size_t at;
  unsigned line, column; /* position of the text's first character, from 1 */
  unsigned depth;
  uint64_t objects[2]; /* a bit per level: set for an object */
  enum { MW_JSON_WANT_VALUE, MW_JSON_WANT_FIRST, MW_JSON_WANT_MORE } want;
  struct mw_pace *pace; /* borrowed; NULL for none */
};

/* Borrows `text`. */
void mw_json_lexer_init(struct mw_json_lexer *lexer, struct mw_slice text);

/* Pulls the next token; MW_JSON_END after the only value of the text. Returns 0; MW_EFORMAT or MW_ELIMIT (too deep, a
 * number too long, or its time is over) with "LINE:COL: expected ..., got ...". */
int mw_json_next(struct mw_json_lexer *lexer, struct mw_json_token *token, struct mw_err *err);

/* Skips the rest of the value that `token`, the last one pulled, begins. Returns as mw_json_next(). */
int mw_json_skip(struct mw_json_lexer *lexer, const struct mw_json_token *token, struct mw_err *err);

/* Writes the text of a key or string with its escapes resolved to `out`, which has room for `text.len` bytes. Returns
 * the length. */
size_t mw_json_unescape(struct mw_slice text, char *out);

/* Advances a line and a column, in characters, past the first `at` bytes of `text`. */
void mw_json_locate(struct mw_slice text, size_t at, unsigned *line, unsigned *column);

/* Returns line and column of a byte offset, both from 1, for error messages. */
static inline void mw_json_position(const struct mw_json_lexer *lexer, size_t at, unsigned *line, unsigned *column) {
  *line = lexer->line;
  *column = lexer->column;
  mw_json_locate(lexer->text, at, line, column);
}

/* Formats the value that begins with `token` for an error message: `"text"`, `12`, `null`, `an object`. Cuts long
 * text. */
void mw_json_show(const struct mw_json_token *token, char out[MW_JSON_SHOW_LEN]);

#endif
