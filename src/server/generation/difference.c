#include "server/generation/difference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_FILE_MAX = 1 << 20, SHOWN_PROTOS = 20 };

static const struct mw_script_file *find_file(const struct mw_generation *generation, const char *path) {
  for (size_t i = 0; i < generation->n_files; i++) {
    if (strcmp(generation->files[i].path, path) == 0) return &generation->files[i];
  }
  return NULL;
}

/* Appends `name` to the list with the title `title`. `first` is true before the list's first name. */
static void add(struct mw_buf *out, const char *title, const char *name, bool *first) {
  if (*first && out->len > 0 && out->data[out->len - 1] != ' ') mw_buf_puts(out, "; ");
  mw_buf_printf(out, "%s%s", *first ? title : ", ", name);
  *first = false;
}

static void add_settings(struct mw_buf *out, const struct mw_script_file *before, const struct mw_script_file *after) {
  bool first = true;
  if (before->path && after->path && !mw_slice_eq(before->bytes, after->bytes)) {
    add(out, "changed ", after->path, &first);
  } else if (!before->path && after->path) {
    add(out, "added ", after->path, &first);
  } else if (before->path && !after->path) {
    add(out, "removed ", before->path, &first);
  }
}

static void add_scripts(struct mw_buf *out, const struct mw_generation *before, const struct mw_generation *after) {
  bool first = true;
  for (size_t i = 0; i < after->n_files; i++) {
    const struct mw_script_file *old = find_file(before, after->files[i].path);
    if (old && !mw_slice_eq(old->bytes, after->files[i].bytes)) add(out, "changed ", after->files[i].path, &first);
  }
  first = true;
  for (size_t i = 0; i < after->n_files; i++) {
    if (!find_file(before, after->files[i].path)) add(out, "added ", after->files[i].path, &first);
  }
  first = true;
  for (size_t i = 0; i < before->n_files; i++) {
    if (!find_file(after, before->files[i].path)) add(out, "removed ", before->files[i].path, &first);
  }
  first = true;
  if (!mw_file_list_same_aliases(&before->names, &after->names)) add(out, "changed ", "links in lua", &first);
}

static const struct mw_proto_file *find_proto(const struct mw_generation *generation, const char *path) {
  for (size_t i = 0; i < generation->n_proto_files; i++) {
    if (strcmp(generation->proto_files[i].path, path) == 0) return &generation->proto_files[i];
  }
  return NULL;
}

/* Lists the .proto files of `a` that `b` lacks or, with `changed`, has with other bytes. Returns their number. */
static size_t add_proto_list(struct mw_buf *out, const char *title, const struct mw_generation *a,
                             const struct mw_generation *b, bool changed) {
  bool first = true;
  size_t n = 0;
  for (size_t i = 0; i < a->n_proto_files; i++) {
    const struct mw_proto_file *other = find_proto(b, a->proto_files[i].path);
    if (changed ? !other || other->digest == a->proto_files[i].digest : other != NULL) continue;
    if (n++ < SHOWN_PROTOS) add(out, title, a->proto_files[i].path, &first);
  }
  if (n > SHOWN_PROTOS) mw_buf_printf(out, " and %zu more", n - SHOWN_PROTOS);
  return n;
}

/* If only links have changed, names the folder. */
static void add_protos(struct mw_buf *out, const struct mw_generation *before, const struct mw_generation *after) {
  bool first = true;
  if (before->protos == after->protos) return;
  size_t n = add_proto_list(out, "changed ", after, before, true);
  n += add_proto_list(out, "added ", after, before, false);
  n += add_proto_list(out, "removed ", before, after, false);
  if (n == 0) add(out, "changed ", after->settings.protos[0], &first);
}

/* Lists the methods of `a` that `b` lacks. */
static void add_methods(struct mw_buf *out, const char *title, const struct mw_pool *a, const struct mw_pool *b) {
  bool first = true;
  for (size_t i = 0; i < mw_pool_service_count(a); i++) {
    const struct mw_service_type *service = mw_pool_service_at(a, i);
    for (size_t j = 0; j < service->n_methods; j++) {
      const char *path = service->methods[j].path;
      if (!mw_pool_method(b, mw_slice_str(path))) add(out, title, path + 1, &first);
    }
  }
}

void mw_difference_write(struct mw_buf *out, const struct mw_generation *before, const struct mw_generation *after) {
  size_t start = out->len;
  add_scripts(out, before, after);
  add_settings(out, &before->settings_file, &after->settings_file);
  add_protos(out, before, after);
  if (before->pool != after->pool) {
    add_methods(out, "methods added ", after->pool, before->pool);
    add_methods(out, "methods removed ", before->pool, after->pool);
  }
  if (out->len == start) mw_buf_puts(out, "the same files");
}

/* Copies line `line` of a zero-terminated text, without indentation. */
static bool line_of(struct mw_slice bytes, long line, char *out, size_t size) {
  const char *text = (const char *)bytes.data, *end = text + bytes.len;
  for (; line > 1 && text < end; line--) {
    const char *newline = memchr(text, '\n', (size_t)(end - text));
    text = newline ? newline + 1 : end;
  }
  text += strspn(text, " \t");
  if (line != 1 || text >= end) return false;
  snprintf(out, size, "%.*s", (int)strcspn(text, "\r\n"), text);
  return true;
}

bool mw_difference_source_line(const struct mw_generation *generation, const char *finding, char *out, size_t size) {
  for (size_t i = 0; i < generation->n_files; i++) {
    const struct mw_script_file *file = &generation->files[i];
    size_t len = strlen(file->path);
    if (strncmp(finding, file->path, len) != 0 || finding[len] != ':') continue;
    return line_of(file->bytes, strtol(finding + len + 1, NULL, 10), out, size);
  }
  return false;
}

bool mw_difference_disk_line(const char *finding, char *out, size_t size) {
  char path[4096];
  size_t len = strcspn(finding, ":\n");
  if (finding[len] != ':' || len >= sizeof path) return false;
  snprintf(path, sizeof path, "%.*s", (int)len, finding);
  struct mw_buf text = MW_BUF_INIT;
  bool known = mw_buf_read_file(&text, path, SHOWN_FILE_MAX, NULL) == 0 && text.len > 0;
  if (known) known = line_of(mw_buf_slice(&text), strtol(finding + len + 1, NULL, 10), out, size);
  mw_buf_fini(&text);
  return known;
}
