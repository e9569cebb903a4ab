/* Text of a peer, made fit for a terminal. Every print of what a server has sent goes through here. */
#ifndef MW_CLI_SHOWN_H
#define MW_CLI_SHOWN_H

#include <stdio.h>

#include "base/buf.h"

/* Prints text with its control characters (but for tab and newline), characters that change its direction, and bytes
 * that are no UTF-8 as \xNN or \uNNNN. */
void mw_shown_print(FILE *out, struct mw_slice text);

/* Appends JSON with such characters as \uNNNN: they stand in strings alone, so that it remains the same JSON. Returns 0
 * or MW_ENOMEM. */
int mw_shown_json(struct mw_buf *out, struct mw_slice json);

#endif
