#include "schema/json/json_writer.h"

#include <stdarg.h>
#include <stdio.h>

int mw_json_write_fail(struct mw_json_writer *w, const char *fmt, ...) {
  char words[256];
  struct mw_buf path = MW_BUF_INIT;
  va_list args;
  va_start(args, fmt);
  vsnprintf(words, sizeof words, fmt, args);
  va_end(args);
  (void)mw_json_path_print(w->path, &path); /* without memory the path is shorter */
  mw_err_set(w->err, MW_EFORMAT, "%s: %s", mw_buf_str(&path), words);
  mw_buf_fini(&path);
  return MW_EFORMAT;
}
