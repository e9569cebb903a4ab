#include "schema/json/json_reader.h"

#include <stdarg.h>
#include <stdio.h>

int mw_json_fail(struct mw_json_reader *r, const char *fmt, ...) {
  char words[512];
  unsigned line, column;
  struct mw_buf path = MW_BUF_INIT;
  va_list args;
  va_start(args, fmt);
  vsnprintf(words, sizeof words, fmt, args);
  va_end(args);
  mw_json_position(&r->lexer, r->token.at, &line, &column);
  (void)mw_json_path_print(r->path, &path); /* without memory the path is shorter */
  mw_err_set(r->err, MW_EFORMAT, "%u:%u: %s: %s", line, column, mw_buf_str(&path), words);
  mw_buf_fini(&path);
  return MW_EFORMAT;
}

int mw_json_mismatch(struct mw_json_reader *r, const char *what) {
  char got[MW_JSON_SHOW_LEN];
  mw_json_show(&r->token, got);
  return mw_json_fail(r, "expected %s, got %s", what, got);
}

int mw_json_no_memory(struct mw_json_reader *r) {
  if (mw_arena_over(r->arena))
    return mw_err_set(r->err, MW_ELIMIT, "the message takes more than %zu bytes of memory", r->arena->budget);
  return mw_err_set(r->err, MW_ENOMEM, "out of memory");
}

int mw_json_expect(struct mw_json_reader *r, enum mw_json_kind kind, const char *what) {
  return r->token.kind == kind ? 0 : mw_json_mismatch(r, what);
}

int mw_json_text(struct mw_json_reader *r, struct mw_slice *out) {
  *out = r->token.text;
  if (!r->token.escaped) return 0;
  char *text = mw_arena_alloc(r->arena, r->token.text.len);
  if (!text) return mw_json_no_memory(r);
  *out = mw_slice(text, mw_json_unescape(r->token.text, text));
  return 0;
}

int mw_json_grow(struct mw_json_reader *r, ProtobufCMessage *message, const struct mw_field *field, size_t *cap,
                 void **slot) {
  char **array = mw_field_value(message, field);
  size_t *count = mw_field_count(message, field);
  size_t size = mw_kind_size(field->kind);
  if (*count == *cap) {
    size_t more = *cap ? *cap * 2 : 4;
    char *grown = mw_arena_calloc(r->arena, more, size);
    if (!grown) return mw_json_no_memory(r);
    if (*count > 0) memcpy(grown, *array, *count * size);
    *array = grown;
    *cap = more;
  }
  *slot = *array + (*count)++ * size;
  return 0;
}
