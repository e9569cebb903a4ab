/* Which of its last 64 streams a client has opened, and which it has ended. */
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
