#include "schema/pool/source_line.h"

#include <assert.h>

#include "schema/wire/wire.h"

struct mw_source_path mw_source_path_join(const struct mw_source_path *path, int32_t number, size_t index) {
  struct mw_source_path joined = *path;
  assert(joined.n + 2 <= MW_SOURCE_PATH_MAX);
  joined.at[joined.n++] = number;
  joined.at[joined.n++] = (int32_t)index;
  return joined;
}

/* Field numbers of descriptor.proto. */
enum { FILE_SOURCE_CODE_INFO = 9, INFO_LOCATION = 1, LOCATION_PATH = 1, LOCATION_SPAN = 2 };

/* The parts of a Location that are used here. */
struct location {
  size_t n;      /* length of its path */
  bool encloses; /* its path, so far read, is a prefix of the wanted one */
  bool has_line;
  int32_t line; /* first number of the span */
};

static void add_number(struct location *location, const struct mw_source_path *path, bool of_path, uint64_t number) {
  int32_t value = (int32_t)(uint32_t)number;
  if (of_path) {
    size_t i = location->n++;
    location->encloses = location->encloses && i < path->n && path->at[i] == value;
  } else if (!location->has_line) {
    location->has_line = true;
    location->line = value;
  }
}

/* Numbers are packed or single. */
static void add_numbers(struct location *location, const struct mw_source_path *path,
                        const struct mw_wire_field *field) {
  bool of_path = field->number == LOCATION_PATH;
  if (field->wire == MW_WIRE_VARINT) add_number(location, path, of_path, field->varint);
  const uint8_t *at = field->wire == MW_WIRE_LEN ? field->value : field->end;
  for (uint64_t number; at < field->end; add_number(location, path, of_path, number)) {
    at = mw_wire_varint(at, field->end, MW_WIRE_VARINT_MAX, &number);
    if (!at) return;
  }
}

/* True if the location has a line and is of `path` or of a definition that encloses it. */
static bool read_location(struct mw_slice bytes, const struct mw_source_path *path, struct location *location) {
  *location = (struct location){.encloses = true};
  for (struct mw_wire_field field; mw_wire_take(&bytes, 1, &field);) {
    if (field.number == LOCATION_PATH || field.number == LOCATION_SPAN) add_numbers(location, path, &field);
    if (!location->encloses) return false;
  }
  return location->has_line && location->line >= 0;
}

unsigned mw_source_line(struct mw_slice file, const struct mw_source_path *path) {
  struct location nearest = {0};
  for (struct mw_wire_field info; mw_wire_take(&file, 1, &info);) {
    struct mw_slice locations = mw_wire_value(&info);
    if (info.number != FILE_SOURCE_CODE_INFO || info.wire != MW_WIRE_LEN) continue;
    for (struct mw_wire_field field; mw_wire_take(&locations, 1, &field);) {
      struct location location;
      if (field.number != INFO_LOCATION || field.wire != MW_WIRE_LEN) continue;
      if (!read_location(mw_wire_value(&field), path, &location)) continue;
      if (!nearest.has_line || location.n > nearest.n) nearest = location;
    }
  }
  return nearest.has_line ? (unsigned)nearest.line + 1 : 0;
}

/* ---- lookup by name ---- */

/* Returns the rest of `full_name` after `name` and a dot; "" if they are equal, NULL if `name` is not a prefix. In a
 * damaged set, `name` may be NULL. */
static const char *after(const char *full_name, const char *name) {
  size_t len = name ? strlen(name) : 0;
  if (len == 0 || strncmp(full_name, name, len) != 0) return NULL;
  return full_name[len] == '.' ? full_name + len + 1 : full_name[len] == '\0' ? full_name + len : NULL;
}

static void step(struct mw_source_path *path, int32_t number, size_t index) {
  *path = mw_source_path_join(path, number, index);
}

/* Extends `path` to the enum `name`. */
static void find_enum(struct mw_source_path *path, int32_t number, Google__Protobuf__EnumDescriptorProto *const *enums,
                      size_t n, const char *name) {
  for (size_t i = 0; i < n; i++) {
    const char *rest = after(name, enums[i]->name);
    if (rest && !*rest) step(path, number, i);
  }
}

/* Extends `path` to the definition `name` among the messages and inside them. Recursion is bounded by their nesting. */
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

unsigned mw_source_line_of(const struct mw_descriptor_file *source, const char *full_name) {
  const Google__Protobuf__FileDescriptorProto *file = source->proto;
  struct mw_source_path path = {.n = 0};
  const char *name = file->package && *file->package ? after(full_name, file->package) : full_name;
  if (name) {
    find_enum(&path, MW_FILE_ENUM, file->enum_type, file->n_enum_type, name);
    if (path.n == 0) find_message(&path, MW_FILE_MESSAGE, file->message_type, file->n_message_type, name);
    if (path.n == 0) find_service(&path, file, name);
  }
  return mw_source_line(source->bytes, &path);
}
