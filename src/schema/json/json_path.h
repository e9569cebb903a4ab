/* The place of an error in a value: "tasks.Task.steps[2].labels["a"].title". Each level of the descent keeps its node
 * on the C stack. Indices count from 0, as in JSON. */
#ifndef MW_SCHEMA_JSON_JSON_PATH_H
#define MW_SCHEMA_JSON_JSON_PATH_H

#include "base/buf.h"

struct mw_json_path {
  const struct mw_json_path *up; /* NULL at the root */
  enum { MW_PATH_TYPE, MW_PATH_FIELD, MW_PATH_INDEX, MW_PATH_KEY } kind;
  const char *name;    /* TYPE (the root, or the message in an Any), FIELD */
  size_t index;        /* INDEX */
  struct mw_slice key; /* KEY */
};

/* Appends the path from the root to `path`. Returns 0 or MW_ENOMEM. */
int mw_json_path_print(const struct mw_json_path *path, struct mw_buf *out);

#endif
