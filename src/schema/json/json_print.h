/* Prints JSON piece by piece: brackets, separators, keys, indentation. Errors stick: after the first one nothing is
 * printed. The caller checks `rc` once, at the end. */
#ifndef MW_SCHEMA_JSON_JSON_PRINT_H
#define MW_SCHEMA_JSON_JSON_PRINT_H

#include "base/buf.h"
#include "base/pace.h"

struct mw_json_printer {
  struct mw_buf *out;
  unsigned indent; /* spaces a level; 0 for one line */
  unsigned depth;
  bool first;           /* the current array or object is still empty */
  int rc;               /* 0, MW_ENOMEM, or MW_ELIMIT once the time of `pace` is over */
  struct mw_pace *pace; /* borrowed; NULL for none */
};

static inline struct mw_json_printer mw_json_printer(struct mw_buf *out, unsigned indent) {
  return (struct mw_json_printer){.out = out, .indent = indent};
}

/* `bracket` is one of { [ and } ]. */
void mw_json_open(struct mw_json_printer *printer, char bracket);
void mw_json_close(struct mw_json_printer *printer, char bracket);

/* Call it before each element of an array. */
void mw_json_item(struct mw_json_printer *printer);

/* Call it before each value of an object. `key` must be valid UTF-8. */
void mw_json_key(struct mw_json_printer *printer, struct mw_slice key);

/* Print a value. The string must be valid UTF-8, the double finite. */
void mw_json_put(struct mw_json_printer *printer, const char *literal);
void mw_json_put_string(struct mw_json_printer *printer, struct mw_slice text);
void mw_json_put_int(struct mw_json_printer *printer, int64_t value);
void mw_json_put_uint(struct mw_json_printer *printer, uint64_t value);
void mw_json_put_double(struct mw_json_printer *printer, double value);

#endif
