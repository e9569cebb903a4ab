/* What a session knows of the streams that its client opened last.
 *
 * nghttp2 forgets a stream when it is closed, and takes no notice of what comes for it later: the client may not know
 * yet that it was closed. But what comes for a stream that the client has itself ended, or has skipped and so closed, is
 * an error (RFC 9113, 5.1 and 5.1.1). This remembers which those are, among the last 64. */
#ifndef MW_ENGINE_HTTP_RECENT_H
#define MW_ENGINE_HTTP_RECENT_H

#include <stdint.h>

struct mw_http_recent { /* all zeros to begin with */
  int32_t newest;
  uint64_t opened, ended; /* bit i is of the stream newest - 2 * i */
};

enum mw_http_past { MW_HTTP_LIVE, MW_HTTP_ENDED, MW_HTTP_SKIPPED }; /* LIVE: or to come, or not known any more */

/* The client opens `stream`. Nothing happens unless that is an odd one, and newer than all before. */
void mw_http_recent_open(struct mw_http_recent *recent, int32_t stream);

/* The client has sent its last frame of `stream`, or reset it. */
void mw_http_recent_end(struct mw_http_recent *recent, int32_t stream);

enum mw_http_past mw_http_recent_find(const struct mw_http_recent *recent, int32_t stream);

#endif
