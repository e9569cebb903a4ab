/* Steps through bytes that may be malformed UTF-8, so that output is well-formed. */
#ifndef MW_OBSERVE_UTF8_H
#define MW_OBSERVE_UTF8_H

#include "base/text.h"

/* Returns the length of the well-formed UTF-8 sequence at the front: 1 to 4, or 0 if it is malformed. The text is
 * not empty. */
static inline size_t mw_utf8_step(struct mw_slice text) {
  uint8_t lead = text.data[0];
  size_t len = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  return len <= text.len && mw_utf8_valid(mw_slice(text.data, len)) ? len : 0;
}

#endif
