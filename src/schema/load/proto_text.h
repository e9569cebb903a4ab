/* Tokens of a .proto file: enough to find its top-level statements and its imports. Pure; any thread. */
#ifndef MW_SCHEMA_LOAD_PROTO_TEXT_H
#define MW_SCHEMA_LOAD_PROTO_TEXT_H

#include "base/slice.h"

struct mw_proto_text {
  struct mw_slice rest; /* borrowed */
  unsigned line;        /* line of the first byte of `rest`, from 1 */
};

static inline struct mw_proto_text mw_proto_text(struct mw_slice text) { return (struct mw_proto_text){text, 1}; }

/* Takes the next token: a word (letters, digits, '_' and '.'), a string with its quotes, or one other character. Skips
 * white space and comments. Returns an empty slice at the end. */
struct mw_slice mw_proto_next_token(struct mw_proto_text *text);

/* Skips to the next import and takes it. False if there is none; else sets its path and its line. */
bool mw_proto_next_import(struct mw_proto_text *text, struct mw_slice *path, unsigned *line);

#endif
