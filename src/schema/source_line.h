/* Where in a .proto file something is defined.
 *
 * SourceCodeInfo of descriptor.proto names a part of a file by its path: field numbers of descriptor.proto and indices
 * in turn, {4, 2, 2, 0} for field 0 of message 2. Pure; any thread. */
#ifndef MW_SCHEMA_SOURCE_LINE_H
#define MW_SCHEMA_SOURCE_LINE_H

#include "schema/descriptor_set.h"

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

/* Room for messages nested as deeply as a set may, and a member of the innermost one. */
enum { MW_SOURCE_PATH_MAX = 2 * (MW_DESCRIPTOR_NESTING + 2) };

struct mw_source_path {
  int32_t at[MW_SOURCE_PATH_MAX];
  size_t n;
};

/* The path of the `index`-th of what is in field `number` of `path`. */
struct mw_source_path mw_source_path_join(const struct mw_source_path *path, int32_t number, size_t index);

/* The line where `path` begins in a serialised FileDescriptorProto, from 1. When the file does not say (the entry type of a map is nowhere in the text),
 * the line of the nearest thing around it. 0 when the file has no source information. */
unsigned mw_source_line(struct mw_slice file, const struct mw_source_path *path);

/* The line of the message, enum, service or method `full_name`, or of the nearest thing around it. 0 when the file has
 * no source information. */
unsigned mw_source_line_of(const struct mw_descriptor_file *file, const char *full_name);

#endif
