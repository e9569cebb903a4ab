/* Splits a stream of JSON values, one after another, on lines of their own or not, that arrives in pieces. It finds the
 * end of a value; the reader of the value checks that it is well-formed. */
#ifndef MW_SCHEMA_JSON_JSON_SPLIT_H
#define MW_SCHEMA_JSON_JSON_SPLIT_H

#include "base/slice.h"

struct mw_json_split {
  size_t at;      /* offset of the first byte not yet scanned */
  size_t start;   /* offset of the value, when `begun` */
  unsigned depth; /* open brackets */
  bool begun, in_string, escaped;
};

/* Finds the first value of `text`. To continue, pass the same text with more appended. For the next value, start with a
 * cleared struct. `ended` means that no more text follows: a value that has begun then ends there, complete or not.
 * True if there is a value, in `value`. */
bool mw_json_split_next(struct mw_json_split *split, struct mw_slice text, bool ended, struct mw_slice *value);

#endif
