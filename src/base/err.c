#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Formats into a new heap string; NULL without memory. */
static char *format(const char *fmt, va_list args) {
  char *text = NULL;
  if (vasprintf(&text, fmt, args) < 0) return NULL;
  return text;
}

/* Inserts `text` and `separator` at byte `at` of the findings. Borrows both; keeps the old text on failure. */
static void splice(struct mw_err *err, size_t at, const char *text, const char *separator) {
  size_t old = err->text ? strlen(err->text) : 0;
  size_t add = strlen(text), sep = strlen(separator);
  char *grown = realloc(err->text, old + add + sep + 1);
  if (!grown) return;
  if (!err->text) grown[0] = '\0';
  memmove(grown + at + add + sep, grown + at, old - at + 1);
  memcpy(grown + at, text, add);
  memcpy(grown + at + add, separator, sep);
  err->text = grown;
}

static void append(struct mw_err *err, int code, const char *fmt, va_list args) {
  if (!err->code) err->code = code;
  char *text = format(fmt, args);
  if (!text) return;
  size_t end = err->text ? strlen(err->text) : 0;
  if (end > 0) {
    splice(err, end, "\n", "");
    end = strlen(err->text);
  }
  splice(err, end, text, "");
  err->last = end;
  free(text);
}

void mw_err_fini(struct mw_err *err) {
  free(err->text);
  *err = (struct mw_err)MW_ERR_INIT;
}

int mw_err_set(struct mw_err *err, int code, const char *fmt, ...) {
  if (!err) return code;
  struct mw_err old = *err; /* the arguments may point into it */
  *err = (struct mw_err)MW_ERR_INIT;
  va_list args;
  va_start(args, fmt);
  append(err, code, fmt, args);
  va_end(args);
  mw_err_fini(&old);
  return code;
}

int mw_err_add(struct mw_err *err, int code, const char *fmt, ...) {
  if (!err) return code;
  va_list args;
  va_start(args, fmt);
  append(err, code, fmt, args);
  va_end(args);
  return code;
}

int mw_err_wrap(struct mw_err *err, const char *fmt, ...) {
  if (!err) return MW_EINVAL;
  va_list args;
  va_start(args, fmt);
  char *text = format(fmt, args);
  va_end(args);
  if (text) splice(err, err->last, text, ": ");
  free(text);
  return err->code;
}

const char *mw_err_text(const struct mw_err *err) { return err->text ? err->text : mw_err_name(err->code); }

const char *mw_err_name(int code) {
  switch (code) {
    case MW_OK: return "no error";
    case MW_ENOMEM: return "out of memory";
    case MW_EINVAL: return "invalid argument";
    case MW_ENOTFOUND: return "not found";
    case MW_EEXIST: return "exists already";
    case MW_EFORMAT: return "malformed";
    case MW_ELIMIT: return "over a limit";
    case MW_EIO: return "input/output error";
    case MW_EBUSY: return "in use";
    case MW_ECLOSED: return "closed";
    case MW_ECONFLICT: return "changed meanwhile";
    case MW_EFULL: return "no room left";
    case MW_EUNSUPPORTED: return "not supported";
    case MW_EDATA: return "damaged data";
    default: return "unknown error";
  }
}
