/* Walking over text that may be no text: what is shown or exported must be UTF-8, what comes in need not be. */
#ifndef MW_OBSERVE_UTF8_H
#define MW_OBSERVE_UTF8_H

#include "base/text.h"

/* How many bytes the well-formed UTF-8 sequence at the front takes: 1 to 4, or 0 when there is none. The text is not
 * empty. */
static inline size_t mw_utf8_step(struct mw_slice text) {
  uint8_t lead = text.data[0];
  size_t len = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  return len <= text.len && mw_utf8_valid(mw_slice(text.data, len)) ? len : 0;
}

#endif
