/* protoc takes the types of options from the descriptor.proto that it has loaded, or else from its built-in one. It
 * loads the file only if another imports it. The project's own descriptor.proto, which is newer, replaces every other
 * one. If protoc does not recognise an option, it runs again with that file first. */
#include "schema/protoc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "schema/load.h"
#include "schema/protoc_findings.h"
#include "schema/roots.h"
#include "schema/subprocess.h"

#define DESCRIPTOR "google/protobuf/descriptor.proto"

/* Made by cmake/descriptors.cmake: the text of DESCRIPTOR. */
extern const unsigned char mw_descriptor_text[];
extern const unsigned long mw_descriptor_text_len;

enum { WELLKNOWN, DESCRIPTOR_TEXT, FIRST_ROOT }; /* descriptors that protoc inherits */

struct compilation {
  const char *const *roots;
  const char *const *files;
  size_t n;
  int *inherited; /* -1 for those not open. Of the roots, all but the first, which is protoc's working directory */
  size_t n_inherited;
  bool options; /* load DESCRIPTOR first */
  struct mw_protoc_findings findings;
  struct mw_err *err;
};

static int no_memory(struct compilation *c) { return mw_err_set(c->err, MW_ENOMEM, "%s: out of memory", c->roots[0]); }

/* ---- inherited descriptors ---- */

/* Makes a file that exists only in memory. */
static int open_memory(struct compilation *c, int *fd, struct mw_slice bytes) {
  *fd = memfd_create("moonwire", MFD_CLOEXEC);
  if (*fd < 0) return mw_err_set(c->err, MW_EIO, "%s: memfd_create: %s", c->roots[0], strerror(errno));
  while (bytes.len > 0) {
    ssize_t done = write(*fd, bytes.data, bytes.len);
    if (done < 0) return mw_err_set(c->err, MW_EIO, "%s: memfd: %s", c->roots[0], strerror(errno));
    bytes = mw_slice(bytes.data + done, bytes.len - (size_t)done);
  }
  return 0;
}

/* Roots are passed as descriptors, because --proto_path gives some characters of a path a meaning. */
static int open_all(struct compilation *c) {
  size_t roots = 1;
  while (c->roots[roots]) roots++;
  c->n_inherited = FIRST_ROOT + roots - 1;
  c->inherited = malloc(c->n_inherited * sizeof *c->inherited);
  if (!c->inherited) return no_memory(c);
  for (size_t i = 0; i < c->n_inherited; i++) c->inherited[i] = -1;
  int rc = open_memory(c, &c->inherited[WELLKNOWN], mw_schema_wellknown());
  if (rc == 0) {
    rc = open_memory(c, &c->inherited[DESCRIPTOR_TEXT], mw_slice(mw_descriptor_text, mw_descriptor_text_len));
  }
  for (size_t i = 1; i < roots && rc == 0; i++) {
    int fd = open(c->roots[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) rc = mw_err_set(c->err, MW_EIO, "%s: %s (setting proto)", c->roots[i], strerror(errno));
    c->inherited[FIRST_ROOT + i - 1] = fd;
  }
  return rc;
}

static void close_all(struct compilation *c) {
  for (size_t i = 0; i < c->n_inherited && c->inherited; i++) {
    if (c->inherited[i] >= 0) close(c->inherited[i]);
  }
  free(c->inherited);
}

/* ---- invocation ---- */

/* Appends the arguments, each with its NUL, to `out`. */
static int put_arguments(struct compilation *c, size_t first, struct mw_buf *out, size_t *count) {
  const int *fd = c->inherited;
  int rc = mw_buf_printf(out,
                         "protoc%c--descriptor_set_in=/proc/self/fd/%d%c--proto_path=.%c"
                         "--descriptor_set_out=/dev/stdout%c--include_imports%c--include_source_info%c",
                         0, fd[WELLKNOWN], 0, 0, 0, 0, 0);
  *count = 6;
  for (size_t i = FIRST_ROOT; i < c->n_inherited && rc == 0; i++, ++*count) {
    rc = mw_buf_printf(out, "--proto_path=/proc/self/fd/%d%c", fd[i], 0);
  }
  if (rc == 0) rc = mw_buf_printf(out, "--proto_path=" DESCRIPTOR "=/proc/self/fd/%d%c", fd[DESCRIPTOR_TEXT], 0);
  ++*count;
  if (rc == 0 && c->options) rc = mw_buf_append(out, DESCRIPTOR, sizeof DESCRIPTOR);
  *count += c->options;
  for (size_t i = first; i < c->n && rc == 0; i++, ++*count) {
    rc = mw_buf_printf(out, "./%s%c", c->files[i], 0); /* "./" keeps a name with a leading dash from being an option */
  }
  return rc == 0 ? 0 : no_memory(c);
}

/* Runs protoc on files[first] and those after it. */
static int run(struct compilation *c, size_t first, struct mw_buf *out, struct mw_buf *errors, int *status) {
  struct mw_buf arguments = MW_BUF_INIT;
  size_t n = 0;
  int rc = put_arguments(c, first, &arguments, &n);
  const char **argv = rc == 0 ? malloc((n + 1) * sizeof *argv) : NULL;
  if (rc == 0 && !argv) rc = no_memory(c);
  if (rc == 0) {
    const char *at = mw_buf_str(&arguments);
    for (size_t i = 0; i < n; i++, at += strlen(at) + 1) argv[i] = at;
    argv[n] = NULL;
    struct mw_command command = {argv, c->roots[0], c->inherited, c->n_inherited};
    rc = mw_subprocess_run(&command, out, errors, status, c->err);
  }
  mw_buf_fini(&arguments);
  free(argv);
  if (rc == MW_ELIMIT || rc == MW_ECLOSED) mw_err_wrap(c->err, "%s", c->roots[0]);
  if (rc != MW_ENOTFOUND) return rc;
  return mw_err_set(c->err, MW_EIO,
                    "%s: cannot compile *.proto: protoc, the protobuf compiler, is not in PATH "
                    "(Debian package protobuf-compiler)",
                    c->roots[0]);
}

/* True if protoc does not recognise an option without parentheses, or a type of DESCRIPTOR. */
static bool lacks_options(struct mw_slice errors) {
  return memmem(errors.data, errors.len, ": Option \"", 10) ||
         memmem(errors.data, errors.len, "\"google.protobuf.", 17);
}

/* As run(), and again with DESCRIPTOR if protoc needs it. The set then begins with that file, which every pool has. */
static int run_with_options(struct compilation *c, size_t first, struct mw_buf *set, struct mw_buf *errors,
                            int *status) {
  int rc = run(c, first, set, errors, status);
  if (rc != 0 || *status == 0 || c->options || !lacks_options(mw_buf_slice(errors))) return rc;
  c->options = true;
  mw_buf_clear(set);
  mw_buf_clear(errors);
  return run(c, first, set, errors, status);
}

/* ---- compilation ---- */

/* True if `line` is about `file`: "FILE:..." */
static bool is_about(struct mw_slice line, const char *file) {
  size_t len = strlen(file);
  return line.len > len && memcmp(line.data, file, len) == 0 && line.data[len] == ':';
}

/* Returns the index of the file that protoc stopped at: from `first` on, the first file with an error; n for none. */
static size_t find_culprit(const struct compilation *c, size_t first, struct mw_slice errors) {
  size_t culprit = c->n;
  while (errors.len > 0) {
    struct mw_slice line = mw_protoc_take_line(&errors);
    if (mw_protoc_is_warning(line)) continue;
    for (size_t i = first; i < culprit; i++) {
      if (is_about(line, c->files[i])) culprit = i;
    }
  }
  return culprit;
}

/* Removes DESCRIPTOR from the beginning of the set if protoc was made to load it. */
static struct mw_slice without_descriptor(const struct compilation *c, struct mw_slice set) {
  static const char name[] = "\x0a\x20" DESCRIPTOR; /* start of the file: field 1, 32 bytes */
  size_t len = 0, at = 1;
  for (unsigned shift = 0; at < set.len && shift < 35; shift += 7) {
    len |= (size_t)(set.data[at] & 0x7f) << shift;
    if (set.data[at++] < 0x80) break;
  }
  bool first = c->options && at + len <= set.len && len >= sizeof name - 1 &&
               memcmp(set.data + at, name, sizeof name - 1) == 0;
  for (size_t i = 0; first && i < c->n; i++) first = strcmp(c->files[i], DESCRIPTOR) != 0;
  return first ? mw_slice(set.data + at + len, set.len - at - len) : set;
}

/* protoc stops at the first bad file. Runs it again on the files after each bad one, to report all errors at once. */
static int compile(struct compilation *c, struct mw_buf *out) {
  struct mw_buf set = MW_BUF_INIT, errors = MW_BUF_INIT;
  int rc = 0;
  for (size_t first = 0; rc == 0 && first < c->n;) {
    int status = 0;
    mw_buf_clear(&set);
    mw_buf_clear(&errors);
    rc = run_with_options(c, first, &set, &errors, &status);
    if (rc != 0 || status == 0) break;
    size_t culprit = find_culprit(c, first, mw_buf_slice(&errors));
    rc = mw_protoc_report(&c->findings, mw_buf_slice(&errors));
    if (rc == 0 && c->findings.code == 0) {
      rc = mw_err_set(c->err, MW_EIO, "%s: protoc ended with status %d and no error message", c->roots[0], status);
    }
    first = culprit + 1;
  }
  if (rc == 0) rc = c->findings.code;
  struct mw_slice own = without_descriptor(c, mw_buf_slice(&set));
  if (rc == 0 && mw_buf_append(out, own.data, own.len) != 0) rc = no_memory(c);
  mw_buf_fini(&errors);
  mw_buf_fini(&set);
  return rc;
}

int mw_protoc_compile(struct mw_buf *out, const char *const *roots, const char *const *files, size_t n,
                      struct mw_err *err) {
  struct compilation c = {.roots = roots, .files = files, .n = n, .err = err};
  if (n == 0) return 0;
  c.findings = (struct mw_protoc_findings){.roots = roots, .files = files, .n_files = n, .err = err};
  int rc = open_all(&c);
  if (rc == 0) rc = compile(&c, out);
  close_all(&c);
  mw_protoc_findings_fini(&c.findings);
  return rc;
}
