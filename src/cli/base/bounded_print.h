/* Prints to a stdout that may not be read, such as a full pipe or a stopped terminal. */
#ifndef MW_CLI_BASE_BOUNDED_PRINT_H
#define MW_CLI_BASE_BOUNDED_PRINT_H

#include <stdint.h>

#include "base/buf.h"

/* Writes `text` to stdout on a thread of its own. Waits for it for at most `ns` nanoseconds; after that the thread
 * continues alone. Takes the text. */
void mw_print_bounded(struct mw_buf *text, int64_t ns);

#endif
