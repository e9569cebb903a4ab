/* Escapes the text of a peer for a terminal. All text from a server is printed through these functions. */
#ifndef MW_CLI_BASE_ESCAPE_H
#define MW_CLI_BASE_ESCAPE_H

#include <stdio.h>

#include "base/buf.h"

/* Prints text. Writes control characters (except tab and newline), characters that change the text direction, and bytes
 * that are not UTF-8 as \xNN or \uNNNN. */
void mw_escape_print(FILE *out, struct mw_slice text);

/* Appends JSON, with such characters as \uNNNN. They occur only in strings, so the JSON value is unchanged. Returns 0
 * or MW_ENOMEM. */
int mw_escape_json(struct mw_buf *out, struct mw_slice json);

#endif
