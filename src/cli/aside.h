/* Printing to a stdout that nobody may read: a full pipe, a terminal that is stopped. */
#ifndef MW_CLI_ASIDE_H
#define MW_CLI_ASIDE_H

#include <stdint.h>

#include "base/buf.h"

/* Writes `text` to stdout on a thread of its own, and waits for it for `ns` nanoseconds at most; after that the thread goes
 * on alone. Takes the text. */
void mw_aside_print(struct mw_buf *text, int64_t ns);

#endif
