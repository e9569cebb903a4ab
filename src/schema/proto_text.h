/* The tokens of a .proto file: enough to find its statements at the top and its imports. Pure; any thread. */
#ifndef MW_SCHEMA_PROTO_TEXT_H
#define MW_SCHEMA_PROTO_TEXT_H

#include "base/slice.h"

struct mw_proto_text {
  struct mw_slice rest; /* borrowed */
  unsigned line;        /* of where `rest` begins, from 1 */
};

static inline struct mw_proto_text mw_proto_text(struct mw_slice text) { return (struct mw_proto_text){text, 1}; }

/* Takes the next token: a word (letters, digits, '_' and '.'), a string with its quotes, or one other character. White
 * space and comments are passed over. Empty at the end. */
struct mw_slice mw_proto_next_token(struct mw_proto_text *text);

/* Takes all up to the next import and that. Returns whether there is one: its path, and the line that it is on. */
bool mw_proto_next_import(struct mw_proto_text *text, struct mw_slice *path, unsigned *line);

#endif
