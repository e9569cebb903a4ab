/* Where in a value an error is: "tasks.Task.steps[2].labels["a"].title". Nodes live on the C stack of whoever descends;
 * indices count from 0, as in JSON. */
#ifndef MW_SCHEMA_JSON_PATH_H
#define MW_SCHEMA_JSON_PATH_H

#include "base/buf.h"

struct mw_json_path {
  const struct mw_json_path *up; /* NULL at the root */
  enum { MW_PATH_TYPE, MW_PATH_FIELD, MW_PATH_INDEX, MW_PATH_KEY } kind;
  const char *name;              /* TYPE (the root, or what an Any holds), FIELD */
  size_t index;                  /* INDEX */
  struct mw_slice key;           /* KEY */
};

/* Appends the path from the root to `path`. Returns 0 or MW_ENOMEM. */
int mw_json_path_print(const struct mw_json_path *path, struct mw_buf *out);

#endif
