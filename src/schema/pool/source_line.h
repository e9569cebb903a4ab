/* Finds the line of a definition in a .proto file.
 *
 * SourceCodeInfo of descriptor.proto names a part of a file by its path: field numbers of descriptor.proto and indices
 * in turn, {4, 2, 2, 0} for field 0 of message 2. Pure; any thread. */
#ifndef MW_SCHEMA_POOL_SOURCE_LINE_H
#define MW_SCHEMA_POOL_SOURCE_LINE_H

#include "schema/pool/descriptor_set.h"

/* Field numbers of descriptor.proto. */
enum {
  MW_FILE_PACKAGE = 2,
  MW_FILE_MESSAGE = 4,
  MW_FILE_ENUM = 5,
  MW_FILE_SERVICE = 6,
  MW_MESSAGE_FIELD = 2,
  MW_MESSAGE_NESTED = 3,
  MW_MESSAGE_ENUM = 4,
  MW_SERVICE_METHOD = 2
};

/* Room for the greatest nesting of messages in a set, and a member of the innermost one. */
enum { MW_SOURCE_PATH_MAX = 2 * (MW_DESCRIPTOR_NESTING + 2) };

struct mw_source_path {
  int32_t at[MW_SOURCE_PATH_MAX];
  size_t n;
};

/* Returns the path of element `index` of field `number` of `path`. */
struct mw_source_path mw_source_path_join(const struct mw_source_path *path, int32_t number, size_t index);

/* Returns the line, from 1, on which `path` begins in a serialised FileDescriptorProto. If the path has no position (a
 * map's entry type does not appear in the text), returns the line of the nearest enclosing definition. Returns 0 if the
 * file has no source information. */
unsigned mw_source_line(struct mw_slice file, const struct mw_source_path *path);

/* Returns the line of the message, enum, service or method `full_name`, or of the nearest enclosing definition. Returns
 * 0 if the file has no source information. */
unsigned mw_source_line_of(const struct mw_descriptor_file *file, const char *full_name);

#endif
