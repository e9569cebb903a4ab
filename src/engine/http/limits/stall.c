#include "engine/http/limits/stall.h"

bool mw_http_stalled(struct mw_http_stall *stall, bool holds, uint64_t mark, uint64_t now, double seconds) {
  if (!holds) {
    stall->since = 0;
    return false;
  }
  if (stall->since == 0 || stall->mark != mark) *stall = (struct mw_http_stall){now, mark};
  return now - stall->since >= (uint64_t)(seconds * 1000);
}
