#include "schema/load/protoc_findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "schema/load/protoc_remedy.h"
#include "schema/pool/pool.h"
#include "schema/pool/roots.h"

enum { FILE_LIMIT = 64 << 20, SHOWN_LINES = 20 /* for each file */ };

static int no_memory(struct mw_protoc_findings *f) {
  return mw_err_set(f->err, MW_ENOMEM, "%s: out of memory", f->roots[0]);
}

static bool contains(struct mw_slice line, const char *words) {
  return memmem(line.data, line.len, words, strlen(words));
}

bool mw_protoc_is_warning(struct mw_slice line) {
  return contains(line, ": warning: ") || contains(line, "[libprotobuf ");
}

struct mw_slice mw_protoc_take_line(struct mw_slice *text) {
  const uint8_t *end = memchr(text->data, '\n', text->len);
  struct mw_slice line = mw_slice(text->data, end ? (size_t)(end - text->data) : text->len);
  size_t taken = line.len + (end ? 1 : 0);
  *text = mw_slice(text->data + taken, text->len - taken);
  return line;
}

/* Adds a count of the findings that were omitted for the file. */
static void add_rest(struct mw_protoc_findings *f) {
  if (f->lines > SHOWN_LINES) {
    mw_err_add(f->err, f->code, "%s%s%s: %zu more errors", f->file ? mw_root_of(f->roots, f->file) : "protoc",
               f->file ? "/" : "", f->file ? f->file : "", f->lines - SHOWN_LINES);
  }
  f->lines = 0;
}

/* Adds `line` once. The line begins with a file below a root; without a file, it is about protoc itself. */
static int add(struct mw_protoc_findings *f, int code, struct mw_slice line) {
  if (mw_map_get(&f->seen, line)) return 0;
  if (mw_map_set(&f->seen, line, f) != 0) return no_memory(f);
  if (f->code == 0) f->code = code;
  if (++f->lines > SHOWN_LINES) return 0;
  mw_err_add(f->err, code, "%s%s%.*s", f->file ? mw_root_of(f->roots, f->file) : "protoc", f->file ? "/" : ": ",
             (int)line.len, (const char *)line.data);
  return 0;
}

MW_PRINTF(3, 4) static int add_words(struct mw_protoc_findings *f, int code, const char *fmt, ...) {
  char *words = NULL;
  va_list args;
  va_start(args, fmt);
  int rc = vasprintf(&words, fmt, args) < 0 ? no_memory(f) : 0;
  va_end(args);
  if (rc == 0) rc = add(f, code, mw_slice_str(words));
  free(words);
  return rc;
}

/* ---- the file of a line ---- */

/* Returns the file named in `line`, "FILE:..." or "FILE: File not found."; empty for none. */
static struct mw_slice file_of(struct mw_slice line) {
  static const char *const ends[] = {".proto:", ": File not found."};
  for (size_t i = 0; i < 2; i++) {
    const uint8_t *end = memmem(line.data, line.len, ends[i], strlen(ends[i]));
    if (end) return mw_slice(line.data, (size_t)(end - line.data) + (i == 0 ? strlen(".proto") : 0));
  }
  return mw_slice(NULL, 0);
}

/* Reads the file that `line` is about, unless the previous line was about it too. An unreadable file counts as
 * empty. */
static int open_file(struct mw_protoc_findings *f, struct mw_slice line) {
  struct mw_slice name = file_of(line);
  if (f->file ? mw_slice_eq_str(name, f->file) : name.len == 0) return 0;
  add_rest(f);
  free(f->file);
  mw_buf_clear(&f->text);
  f->file = name.len > 0 ? strndup((const char *)name.data, name.len) : NULL;
  if (name.len == 0) return 0;
  struct mw_buf path = MW_BUF_INIT;
  int rc = f->file ? mw_buf_printf(&path, "%s/%s", mw_root_of(f->roots, f->file), f->file) : MW_ENOMEM;
  if (rc == 0) (void)mw_buf_read_file(&f->text, mw_buf_str(&path), FILE_LIMIT, NULL);
  mw_buf_fini(&path);
  return rc == 0 ? 0 : no_memory(f);
}

/* ---- lines ---- */

/* For a file with an edition, protoc 3.21 reports some syntax error. Reports the edition instead. */
static int report_edition(struct mw_protoc_findings *f) {
  return add_words(f, MW_EUNSUPPORTED, "%s:1:1: " MW_POOL_NO_EDITIONS, f->file);
}

static int report_line(struct mw_protoc_findings *f, struct mw_slice line) {
  /* proto2 requires a label of each field. */
  static const char label[] = ": Expected \"required\", \"optional\", or \"repeated\".";
  int rc = open_file(f, line);
  if (rc != 0) return rc;
  const struct mw_slice text = mw_buf_slice(&f->text);
  const char *encoding = f->file ? mw_text_wide_encoding(text) : NULL;
  if (encoding) return add_words(f, MW_EFORMAT, "%s: expected UTF-8, got %s", f->file, encoding);
  if (mw_proto_is_edition(text)) return report_edition(f);
  if (contains(line, label) && mw_proto_lacks_syntax(text)) {
    rc = add_words(f, MW_EFORMAT,
                   "%s:1:1: without a syntax line, protoc reads proto2: begin the file with syntax = "
                   "\"proto3\";",
                   f->file);
  }
  struct mw_buf whole = MW_BUF_INIT;
  const struct mw_protoc_context context = {text, f->files, f->n_files};
  if (rc == 0) rc = mw_buf_append(&whole, line.data, line.len) == 0 ? 0 : no_memory(f);
  if (rc == 0) rc = mw_protoc_remedy(&whole, line, &context) == 0 ? 0 : no_memory(f);
  if (rc == 0) rc = add(f, MW_EFORMAT, mw_buf_slice(&whole));
  mw_buf_fini(&whole);
  return rc;
}

int mw_protoc_report(struct mw_protoc_findings *f, struct mw_slice errors) {
  int rc = 0;
  while (rc == 0 && errors.len > 0) {
    struct mw_slice line = mw_protoc_take_line(&errors);
    if (line.len > 0 && !mw_protoc_is_warning(line)) rc = report_line(f, line);
  }
  add_rest(f);
  return rc;
}

void mw_protoc_findings_fini(struct mw_protoc_findings *f) {
  mw_map_fini(&f->seen);
  mw_buf_fini(&f->text);
  free(f->file);
  f->file = NULL;
}
