/* Finds where one JSON value ends and the next begins in text that comes piece by piece: requests one after another,
 * on lines of their own or not. Whether a value is well-formed is for its reader to say. */
#ifndef MW_SCHEMA_JSON_SPLIT_H
#define MW_SCHEMA_JSON_SPLIT_H

#include "base/slice.h"

struct mw_json_split {
  size_t at;      /* how far the text was looked at */
  size_t start;   /* of the value, when `begun` */
  unsigned depth; /* open brackets */
  bool begun, in_string, escaped;
};

/* Looks for the first value of `text`, from where it was not found the last time: the text is then the same with more
 * behind it. The search for another value starts with a cleared struct. `ended` says that no more text will come: what
 * has begun is then a value, complete or not.
 * Returns whether there is one, in `value`. */
bool mw_json_split_next(struct mw_json_split *split, struct mw_slice text, bool ended, struct mw_slice *value);

#endif
