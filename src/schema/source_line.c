#include "schema/source_line.h"

#include <assert.h>

struct mw_source_path mw_source_path_join(const struct mw_source_path *path, int32_t number, size_t index) {
  struct mw_source_path joined = *path;
  assert(joined.n + 2 <= MW_SOURCE_PATH_MAX);
  joined.at[joined.n++] = number;
  joined.at[joined.n++] = (int32_t)index;
  return joined;
}

/* Whether `location` is `path` or something around it. */
static bool encloses(const Google__Protobuf__SourceCodeInfo__Location *location, const struct mw_source_path *path) {
  size_t n = location->n_path;
  return n == 0 || (n <= path->n && memcmp(location->path, path->at, n * sizeof *path->at) == 0);
}

unsigned mw_source_line(const Google__Protobuf__FileDescriptorProto *file, const struct mw_source_path *path) {
  const Google__Protobuf__SourceCodeInfo *info = file->source_code_info;
  const Google__Protobuf__SourceCodeInfo__Location *nearest = NULL;
  for (size_t i = 0; info && i < info->n_location; i++) {
    const Google__Protobuf__SourceCodeInfo__Location *location = info->location[i];
    bool usable = location->n_span > 0 && location->span[0] >= 0 && encloses(location, path);
    if (usable && (!nearest || location->n_path > nearest->n_path)) nearest = location;
  }
  return nearest ? (unsigned)nearest->span[0] + 1 : 0;
}

/* ---- by name ---- */

/* `full_name` without `name` and the dot after it; "" when `name` is all of it, NULL when it is no part of it. Names in
 * a damaged set may be missing. */
static const char *after(const char *full_name, const char *name) {
  size_t len = name ? strlen(name) : 0;
  if (len == 0 || strncmp(full_name, name, len) != 0) return NULL;
  return full_name[len] == '.' ? full_name + len + 1 : full_name[len] == '\0' ? full_name + len : NULL;
}

static void step(struct mw_source_path *path, int32_t number, size_t index) {
  *path = mw_source_path_join(path, number, index);
}

/* Extends `path` to an enum called `name`. */
static void find_enum(struct mw_source_path *path, int32_t number, Google__Protobuf__EnumDescriptorProto *const *enums,
                      size_t n, const char *name) {
  for (size_t i = 0; i < n; i++) {
    const char *rest = after(name, enums[i]->name);
    if (rest && !*rest) step(path, number, i);
  }
}

/* Extends `path` to what is called `name` among the messages and in them. Recursion is bounded by their nesting. */
static void find_message(struct mw_source_path *path, int32_t number,
                         Google__Protobuf__DescriptorProto *const *messages, size_t n, const char *name) {
  for (size_t i = 0; i < n; i++) {
    const Google__Protobuf__DescriptorProto *message = messages[i];
    const char *rest = after(name, message->name);
    if (!rest) continue;
    step(path, number, i);
    find_enum(path, MW_MESSAGE_ENUM, message->enum_type, message->n_enum_type, rest);
    find_message(path, MW_MESSAGE_NESTED, message->nested_type, message->n_nested_type, rest);
    return;
  }
}

static void find_service(struct mw_source_path *path, const Google__Protobuf__FileDescriptorProto *file,
                         const char *name) {
  for (size_t i = 0; i < file->n_service; i++) {
    const Google__Protobuf__ServiceDescriptorProto *service = file->service[i];
    const char *rest = after(name, service->name);
    if (!rest) continue;
    step(path, MW_FILE_SERVICE, i);
    for (size_t k = 0; k < service->n_method; k++) {
      const char *end = after(rest, service->method[k]->name);
      if (end && !*end) step(path, MW_SERVICE_METHOD, k);
    }
    return;
  }
}

unsigned mw_source_line_of(const Google__Protobuf__FileDescriptorProto *file, const char *full_name) {
  struct mw_source_path path = {.n = 0};
  const char *name = file->package && *file->package ? after(full_name, file->package) : full_name;
  if (name) {
    find_enum(&path, MW_FILE_ENUM, file->enum_type, file->n_enum_type, name);
    if (path.n == 0) find_message(&path, MW_FILE_MESSAGE, file->message_type, file->n_message_type, name);
    if (path.n == 0) find_service(&path, file, name);
  }
  return mw_source_line(file, &path);
}
