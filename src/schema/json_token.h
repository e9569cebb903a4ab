/* A pull tokenizer for JSON (RFC 8259), strict: no comments, no trailing commas, no lone surrogates, valid UTF-8.
 *
 * It keeps to the grammar by itself: whoever pulls tokens never meets a comma, a colon or an unbalanced bracket. It
 * copies nothing and allocates nothing; tokens point into the text. Numbers stay text (schema/json_number.h). */
#ifndef MW_SCHEMA_JSON_TOKEN_H
#define MW_SCHEMA_JSON_TOKEN_H

#include "base/err.h"
#include "base/pace.h"
#include "base/slice.h"

enum {
  MW_JSON_DEPTH = 100,       /* most arrays and objects within each other */
  MW_JSON_NUMBER_LEN = 1000, /* most characters of a number */
  MW_JSON_SHOW_LEN = 64      /* room for what mw_json_show() writes */
};

enum mw_json_kind {
  MW_JSON_OBJECT,     /* then KEY and a value, repeatedly, then OBJECT_END */
  MW_JSON_OBJECT_END,
  MW_JSON_ARRAY,      /* then values, then ARRAY_END */
  MW_JSON_ARRAY_END,
  MW_JSON_KEY,
  MW_JSON_STRING,
  MW_JSON_NUMBER,
  MW_JSON_TRUE,
  MW_JSON_FALSE,
  MW_JSON_NULL,
  MW_JSON_END         /* of the text */
};

struct mw_json_token {
  enum mw_json_kind kind;
  bool escaped;         /* a key or string with backslashes in it: see mw_json_unescape() */
  struct mw_slice text; /* key, string: what stands between the quotes; number: its characters */
  size_t at;            /* byte offset of its first character */
};

/* A plain struct: a copy is a bookmark to come back to. */
struct mw_json_lexer {
  struct mw_slice text;
  size_t at;
  unsigned line, column; /* where the text begins, from 1 */
  unsigned depth;
  uint64_t objects[2]; /* a bit per level: whether it is an object */
  enum { MW_JSON_WANT_VALUE, MW_JSON_WANT_FIRST, MW_JSON_WANT_MORE } want;
  struct mw_pace *pace; /* borrowed; NULL for none */
};

/* Borrows `text`. */
void mw_json_lexer_init(struct mw_json_lexer *lexer, struct mw_slice text);

/* The next token; MW_JSON_END once the one value of the text is over. Returns 0; MW_EFORMAT or MW_ELIMIT (too deep, a
 * number too long, or its time is over) with "LINE:COL: expected ..., got ...". */
int mw_json_next(struct mw_json_lexer *lexer, struct mw_json_token *token, struct mw_err *err);

/* Leaves out the rest of the value that `token`, the newest one, begins. Returns as mw_json_next(). */
int mw_json_skip(struct mw_json_lexer *lexer, const struct mw_json_token *token, struct mw_err *err);

/* Writes what the escaped text of a key or string stands for to `out`, which has room for `text.len` bytes. Returns
 * the length. */
size_t mw_json_unescape(struct mw_slice text, char *out);

/* Moves a line and a column, in characters, on to where the first `at` bytes of `text` end. */
void mw_json_locate(struct mw_slice text, size_t at, unsigned *line, unsigned *column);

/* Line and column of a byte offset, for error messages; both from 1. */
static inline void mw_json_position(const struct mw_json_lexer *lexer, size_t at, unsigned *line, unsigned *column) {
  *line = lexer->line;
  *column = lexer->column;
  mw_json_locate(lexer->text, at, line, column);
}

/* How an error message shows the value that begins with `token`: `"text"`, `12`, `null`, `an object`, cut when long. */
void mw_json_show(const struct mw_json_token *token, char out[MW_JSON_SHOW_LEN]);

#endif
