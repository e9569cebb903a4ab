#include "schema/load/protoc_remedy.h"

#include "schema/load/proto_text.h"
#include "schema/pool/descriptor_set.h"
#include "schema/pool/wellknown.h"

typedef Google__Protobuf__FileDescriptorProto FileProto;

/* ---- the text of a file ---- */

bool mw_proto_is_edition(struct mw_slice text) {
  struct mw_proto_text rest = mw_proto_text(text);
  return mw_slice_eq_str(mw_proto_next_token(&rest), "edition");
}

bool mw_proto_lacks_syntax(struct mw_slice text) {
  struct mw_proto_text rest = mw_proto_text(text);
  struct mw_slice first = mw_proto_next_token(&rest);
  return first.len > 0 && !mw_slice_eq_str(first, "syntax") && !mw_slice_eq_str(first, "edition");
}

/* Finds the token after the first `keyword`; with `name`, after the first `keyword` followed by `name`. Returns an
 * empty slice if there is none. */
static struct mw_slice find_statement(struct mw_slice text, const char *keyword, struct mw_slice name) {
  struct mw_proto_text rest = mw_proto_text(text);
  for (struct mw_slice token; (token = mw_proto_next_token(&rest)).len > 0;) {
    if (!mw_slice_eq_str(token, keyword)) continue;
    token = mw_proto_next_token(&rest);
    if (name.len == 0 || mw_slice_eq(token, name)) return token;
  }
  return mw_slice(NULL, 0);
}

/* ---- built-in types ---- */

/* Finds the top-level message or enum `name` of a built-in file, "google.protobuf.Timestamp" or "Timestamp". Returns
 * the file, and its package in `package`; NULL for none. */
static const FileProto *find_builtin(const struct mw_descriptor_set *set, struct mw_slice name) {
  for (size_t i = 0; i < set->n_files; i++) {
    const FileProto *file = set->files[i].proto;
    size_t package = strlen(file->package);
    bool full = name.len > package && memcmp(name.data, file->package, package) == 0 && name.data[package] == '.';
    struct mw_slice rest = full ? mw_slice(name.data + package + 1, name.len - package - 1) : name;
    for (size_t k = 0; k < file->n_message_type; k++) {
      if (mw_slice_eq_str(rest, file->message_type[k]->name)) return file;
    }
    for (size_t k = 0; k < file->n_enum_type; k++) {
      if (mw_slice_eq_str(rest, file->enum_type[k]->name)) return file;
    }
  }
  return NULL;
}

/* True for the files whose types a short name can mean: those of google/protobuf that messages use as fields. */
static bool is_common(const FileProto *file) {
  return strcmp(file->package, "google.protobuf") == 0 && strcmp(file->name, "google/protobuf/descriptor.proto") != 0 &&
         strcmp(file->name, "google/protobuf/type.proto") != 0 && strcmp(file->name, "google/protobuf/api.proto") != 0;
}

static int put_import(struct mw_buf *out, const struct mw_descriptor_set *builtin, struct mw_slice name) {
  if (name.len > 0 && name.data[0] == '.') name = mw_slice(name.data + 1, name.len - 1);
  bool full = memchr(name.data, '.', name.len);
  const FileProto *file = find_builtin(builtin, name);
  if (!file || (!full && !is_common(file))) return 0;
  if (full) return mw_buf_printf(out, " Add import \"%s\";", file->name);
  return mw_buf_printf(out, " Write %s.%.*s, and import \"%s\";", file->package, (int)name.len, (const char *)name.data,
                       file->name);
}

/* ---- imports that are not found ---- */

static struct mw_slice base_of(struct mw_slice path) {
  size_t start = path.len;
  while (start > 0 && path.data[start - 1] != '/') start--;
  return mw_slice(path.data + start, path.len - start);
}

/* True if `path` ends in the name of the file `import`, which may lack its ".proto". */
static bool is_named(const char *path, struct mw_slice import) {
  struct mw_slice base = base_of(mw_slice_str(path)), name = base_of(import);
  size_t bare = base.len - strlen(".proto");
  return mw_slice_eq(base, name) || mw_slice_eq(mw_slice(base.data, bare), name);
}

static int put_path(struct mw_buf *out, const struct mw_descriptor_set *builtin,
                    const struct mw_protoc_context *context, struct mw_slice import) {
  const char *near = NULL;
  for (size_t i = 0; i < context->n_files && !near; i++) {
    if (is_named(context->files[i], import)) near = context->files[i];
  }
  for (size_t i = 0; i < builtin->n_files && !near; i++) {
    if (is_named(builtin->files[i].proto->name, import)) near = builtin->files[i].proto->name;
  }
  if (near) return mw_buf_printf(out, " Did you mean \"%s\"?", near);
  return mw_buf_puts(out,
                     " An import is a path below the folder of the protos, or below another one of the "
                     "setting proto.");
}

/* ---- choice of a remedy ---- */

/* Returns the quoted text before `words` in `line`. */
static bool quoted_before(struct mw_slice line, const char *words, struct mw_slice *name) {
  const uint8_t *end = memmem(line.data, line.len, words, strlen(words));
  const uint8_t *start = end;
  while (start && start > line.data && start[-1] != '"') start--;
  *name = mw_slice(start, start ? (size_t)(end - start) : 0);
  return name->len > 0 && start > line.data;
}

static int put_hidden(struct mw_buf *out, struct mw_slice text, struct mw_slice name) {
  const uint8_t *dot = memchr(name.data, '.', name.len);
  struct mw_slice first = mw_slice(name.data, dot ? (size_t)(dot - name.data) : name.len);
  if (find_statement(text, "rpc", first).len == 0) return 0;
  struct mw_slice package = find_statement(text, "package", mw_slice(NULL, 0));
  bool own = find_statement(text, "message", first).len > 0;
  int rc = mw_buf_printf(out, " The rpc %.*s hides the message of that name: write ", (int)first.len,
                         (const char *)first.data);
  if (rc != 0) return rc;
  if (!own) return mw_buf_puts(out, "the full name, after a dot.");
  return mw_buf_printf(out, ".%.*s%s%.*s.", (int)package.len, (const char *)package.data, package.len ? "." : "",
                       (int)name.len, (const char *)name.data);
}

int mw_protoc_remedy(struct mw_buf *out, struct mw_slice line, const struct mw_protoc_context *context) {
  static const char not_found[] = ": File not found.";
  struct mw_slice name;
  if (quoted_before(line, "\" is not a message type.", &name)) return put_hidden(out, context->text, name);
  bool type = quoted_before(line, "\" is not defined.", &name);
  bool import = line.len >= sizeof not_found &&
                memcmp(line.data + line.len - (sizeof not_found - 1), not_found, sizeof not_found - 1) == 0;
  if (!type && !import) return 0;
  struct mw_descriptor_set builtin = {0};
  int rc = mw_descriptor_set_init(&builtin, mw_schema_wellknown(), NULL);
  if (rc == 0 && type) rc = put_import(out, &builtin, name);
  if (rc == 0 && import) rc = put_path(out, &builtin, context, mw_slice(line.data, line.len - (sizeof not_found - 1)));
  mw_descriptor_set_fini(&builtin);
  return rc;
}
