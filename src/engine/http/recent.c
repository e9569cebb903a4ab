#include "engine/http/recent.h"

#include <stdbool.h>

enum { REMEMBERED = 64 };

/* The bit of a stream; 0 for one that is to come, not the client's, or not remembered. */
static uint64_t bit(const struct mw_http_recent *recent, int32_t stream) {
  if (stream % 2 == 0 || stream > recent->newest) return 0;
  int32_t age = (recent->newest - stream) / 2;
  return age < REMEMBERED ? UINT64_C(1) << age : 0;
}

void mw_http_recent_open(struct mw_http_recent *recent, int32_t stream) {
  if (stream % 2 == 0 || stream <= recent->newest) return;
  int32_t ahead = (stream - recent->newest) / 2;
  bool all = recent->newest == 0 || ahead >= REMEMBERED;
  recent->opened = all ? 1 : recent->opened << ahead | 1;
  recent->ended = all ? 0 : recent->ended << ahead;
  recent->newest = stream;
}

void mw_http_recent_end(struct mw_http_recent *recent, int32_t stream) { recent->ended |= bit(recent, stream); }

enum mw_http_past mw_http_recent_find(const struct mw_http_recent *recent, int32_t stream) {
  uint64_t found = bit(recent, stream);
  if (found & ~recent->opened) return MW_HTTP_SKIPPED;
  return found & recent->ended ? MW_HTTP_ENDED : MW_HTTP_LIVE;
}
