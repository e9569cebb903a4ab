#include "schema/protoc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/map.h"
#include "schema/load.h"
#include "schema/subprocess.h"

struct compilation {
  const char *dir;
  const char *const *files;
  size_t n;
  int wellknown; /* a descriptor of the well-known types' set, for protoc to take imports from */
  int code;      /* of the first finding */
  struct mw_map seen; /* findings, each reported once: a bad import fails every file that has it */
  struct mw_err *err;
};

static int no_memory(struct compilation *c) { return mw_err_set(c->err, MW_ENOMEM, "%s: out of memory", c->dir); }

/* ---- running it ---- */

/* Puts the well-known types where protoc can read them: into a file that exists in memory alone. */
static int open_wellknown(struct compilation *c) {
  struct mw_slice set = mw_schema_wellknown();
  c->wellknown = memfd_create("wellknown.binpb", MFD_CLOEXEC);
  if (c->wellknown < 0) return mw_err_set(c->err, MW_EIO, "%s: memfd_create: %s", c->dir, strerror(errno));
  while (set.len > 0) {
    ssize_t done = write(c->wellknown, set.data, set.len);
    if (done < 0) return mw_err_set(c->err, MW_EIO, "%s: memfd: %s", c->dir, strerror(errno));
    set = mw_slice(set.data + done, set.len - (size_t)done);
  }
  return 0;
}

/* Runs protoc on files[first] and those behind it. */
static int run(struct compilation *c, size_t first, struct mw_buf *out, struct mw_buf *errors, int *status) {
  enum { MAX_OPTIONS = 8 };
  size_t n = 0, count = c->n - first;
  char option[64];
  struct mw_buf names = MW_BUF_INIT; /* "./" keeps a leading dash from being an option */
  const char **argv = malloc((count + MAX_OPTIONS) * sizeof *argv);
  int rc = argv ? 0 : MW_ENOMEM;
  for (size_t i = 0; i < count && rc == 0; i++) {
    rc = mw_buf_printf(&names, "./%s", c->files[first + i]);
    if (rc == 0) rc = mw_buf_putc(&names, '\0');
  }
  if (rc == 0) {
    snprintf(option, sizeof option, "--descriptor_set_in=/proc/self/fd/%d", c->wellknown);
    argv[n++] = "protoc";
    argv[n++] = option;
    argv[n++] = "--proto_path=.";
    argv[n++] = "--descriptor_set_out=/dev/stdout";
    argv[n++] = "--include_imports";
    argv[n++] = "--include_source_info";
    const char *name = mw_buf_str(&names);
    for (size_t i = 0; i < count; i++, name += strlen(name) + 1) argv[n++] = name;
    argv[n] = NULL;
    struct mw_command command = {argv, c->dir, c->wellknown};
    rc = mw_subprocess_run(&command, out, errors, status, c->err);
  } else {
    no_memory(c);
  }
  mw_buf_fini(&names);
  free(argv);
  if (rc == MW_ELIMIT || rc == MW_ECLOSED) mw_err_wrap(c->err, "%s", c->dir);
  if (rc != MW_ENOTFOUND) return rc;
  return mw_err_set(c->err, MW_EIO,
                    "%s: cannot compile *.proto: protoc, the protobuf compiler, is not in PATH "
                    "(Debian package protobuf-compiler)",
                    c->dir);
}

/* ---- what it says ---- */

/* Whether `line` is about `file`: "FILE:..." */
static bool is_about(struct mw_slice line, const char *file) {
  size_t len = strlen(file);
  return line.len > len && memcmp(line.data, file, len) == 0 && line.data[len] == ':';
}

static bool contains(struct mw_slice line, const char *words) {
  return memmem(line.data, line.len, words, strlen(words));
}

static bool is_warning(struct mw_slice line) {
  return contains(line, ": warning: ") || contains(line, "[libprotobuf ");
}

/* Takes the next line off `text`, its end left out. */
static struct mw_slice take_line(struct mw_slice *text) {
  const uint8_t *end = memchr(text->data, '\n', text->len);
  struct mw_slice line = mw_slice(text->data, end ? (size_t)(end - text->data) : text->len);
  size_t taken = line.len + (end ? 1 : 0);
  *text = mw_slice(text->data + taken, text->len - taken);
  return line;
}

static int add_finding(struct compilation *c, int code, struct mw_slice line) {
  if (mw_map_get(&c->seen, line)) return 0;
  if (mw_map_set(&c->seen, line, c) != 0) return no_memory(c);
  bool names_file = contains(line, ".proto:");
  if (c->code == 0) c->code = code;
  mw_err_add(c->err, code, "%s%s%.*s", names_file ? c->dir : "protoc", names_file ? "/" : ": ", (int)line.len,
             (const char *)line.data);
  return 0;
}

/* Whether a file's first statement is `edition`, which protoc before 27 does not know. */
static bool is_edition(const struct compilation *c, const char *file) {
  enum { ENOUGH = 1 << 20 };
  struct mw_buf path = MW_BUF_INIT, text = MW_BUF_INIT;
  bool edition = false;
  if (mw_buf_printf(&path, "%s/%s", c->dir, file) == 0 &&
      mw_buf_read_file(&text, mw_buf_str(&path), ENOUGH, NULL) == 0) {
    const char *p = mw_buf_str(&text);
    for (const char *end = ""; *p && end;) { /* past white space and comments */
      p += strspn(p, " \t\r\n");
      end = strncmp(p, "//", 2) == 0 ? strchr(p, '\n') : strncmp(p, "/*", 2) == 0 ? strstr(p, "*/") : NULL;
      if (end) p = *end == '\n' ? end + 1 : end + 2;
    }
    edition = strncmp(p, "edition", 7) == 0 && strspn(p + 7, " \t\r\n=") > 0;
  }
  mw_buf_fini(&text);
  mw_buf_fini(&path);
  return edition;
}

/* The file that protoc stopped at, of those from `first` on: the first one that it complains about; n for none. */
static size_t find_culprit(const struct compilation *c, size_t first, struct mw_slice errors) {
  size_t culprit = c->n;
  while (errors.len > 0) {
    struct mw_slice line = take_line(&errors);
    if (is_warning(line)) continue;
    for (size_t i = first; i < culprit; i++) {
      if (is_about(line, c->files[i])) culprit = i;
    }
  }
  return culprit;
}

static int report(struct compilation *c, size_t culprit, struct mw_slice errors) {
  if (culprit < c->n && is_edition(c, c->files[culprit])) {
    struct mw_buf line = MW_BUF_INIT;
    int rc = mw_buf_puts(&line, c->files[culprit]);
    if (rc == 0) {
      rc = mw_buf_puts(&line, ":1:1: protobuf editions are not supported: expected syntax = \"proto3\" or \"proto2\"");
    }
    rc = rc == 0 ? add_finding(c, MW_EUNSUPPORTED, mw_buf_slice(&line)) : no_memory(c);
    mw_buf_fini(&line);
    return rc;
  }
  while (errors.len > 0) {
    struct mw_slice line = take_line(&errors);
    int rc = line.len > 0 && !is_warning(line) ? add_finding(c, MW_EFORMAT, line) : 0;
    if (rc != 0) return rc;
  }
  return 0;
}

/* ---- putting it together ---- */

/* protoc stops at the first bad file. Goes on behind each, so that all of them are reported in one go. */
static int compile(struct compilation *c, struct mw_buf *out) {
  struct mw_buf set = MW_BUF_INIT, errors = MW_BUF_INIT;
  int rc = 0;
  for (size_t first = 0; rc == 0 && first < c->n;) {
    int status = 0;
    mw_buf_clear(&set);
    mw_buf_clear(&errors);
    rc = run(c, first, &set, &errors, &status);
    if (rc != 0 || status == 0) break;
    size_t culprit = find_culprit(c, first, mw_buf_slice(&errors));
    rc = report(c, culprit, mw_buf_slice(&errors));
    if (rc == 0 && c->code == 0) {
      rc = mw_err_set(c->err, MW_EIO, "%s: protoc ended with status %d and no error message", c->dir, status);
    }
    first = culprit + 1;
  }
  if (rc == 0) rc = c->code;
  if (rc == 0 && mw_buf_append(out, set.data, set.len) != 0) rc = no_memory(c);
  mw_buf_fini(&errors);
  mw_buf_fini(&set);
  return rc;
}

int mw_protoc_compile(struct mw_buf *out, const char *dir, const char *const *files, size_t n, struct mw_err *err) {
  struct compilation c = {.dir = dir, .files = files, .n = n, .wellknown = -1, .err = err};
  if (n == 0) return 0;
  int rc = open_wellknown(&c);
  if (rc == 0) rc = compile(&c, out);
  if (c.wellknown >= 0) close(c.wellknown);
  mw_map_fini(&c.seen);
  return rc;
}
