#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "schema/compat/compat_rules.h"
#include "schema/pool/roots.h"

void mw_compat_report(struct mw_compat *compat, struct mw_compat_place place, const char *rule, const char *fmt, ...) {
  compat->broken = true;
  va_list args;
  va_start(args, fmt);
  char *words = NULL;
  if (vasprintf(&words, fmt, args) < 0) words = NULL;
  va_end(args);
  char at[16] = "";
  if (place.line > 0) snprintf(at, sizeof at, ":%u", place.line);
  const char *root = mw_root_of(compat->roots, place.file);
  mw_err_add(compat->err, MW_ECONFLICT, "%s%s%s%s: %s: %s", root, *root ? "/" : "", place.file, at, rule,
             words ? words : mw_err_name(MW_ENOMEM));
  free(words);
}
