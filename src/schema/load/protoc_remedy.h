/* Remedies for errors of protoc that name none. */
#ifndef MW_SCHEMA_LOAD_PROTOC_REMEDY_H
#define MW_SCHEMA_LOAD_PROTOC_REMEDY_H

#include "base/buf.h"

struct mw_protoc_context {
  struct mw_slice text;     /* the .proto file with the error; empty if unreadable */
  const char *const *files; /* the files that protoc compiles */
  size_t n_files;
};

/* Appends a remedy to the error `line`, "FILE:LINE:COL: words.", if it is about
 *   a built-in type without its import,
 *   a message that is hidden by an rpc of its name, or
 *   an import that is not found.
 * Returns 0 or MW_ENOMEM. */
int mw_protoc_remedy(struct mw_buf *out, struct mw_slice line, const struct mw_protoc_context *context);

/* mw_proto_is_edition(): true if the first statement of a .proto file is `edition`. mw_proto_lacks_syntax(): true if it
 * is neither `edition` nor `syntax`. */
bool mw_proto_is_edition(struct mw_slice text);
bool mw_proto_lacks_syntax(struct mw_slice text);

#endif
