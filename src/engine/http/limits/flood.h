/* Rate limits on frames that cost a client nothing and the server something.
 *
 * A connection has two token buckets.
 *   resets    RST_STREAM of the client, and errors for which the server resets a stream
 *   control   PING, SETTINGS (ten tokens, because it can touch every stream), PRIORITY, WINDOW_UPDATE, HEADERS that
 *             open no stream, DATA without bytes (or with so few that all may be padding), frames of unknown types
 *
 * A tenth of each limit comes back in a second. Useful traffic refills them as well: a stream that the server has
 * answered to its end gives one reset back; HEADERS that open a stream, and HEADERS and DATA that the server sends,
 * give back ten control tokens each. So a client that measures its bandwidth by PINGs, receives a lot of data, or
 * cancels half of its calls never reaches a limit.
 *
 * A reset right after HEADERS is cheap for the client, because the stream does not count as concurrent for long. So a
 * cancel costs a tenth of a reset once the handler has begun, and the session does not count the cancel of a call that
 * has received headers or was open for MW_HTTP_FLOOD_FREE_MS.
 *
 * A header block has limits of its own, in bytes and in frames. */
#ifndef MW_ENGINE_HTTP_LIMITS_FLOOD_H
#define MW_ENGINE_HTTP_LIMITS_FLOOD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MW_HTTP_FLOOD_FREE_MS = 100 };

struct mw_http_bucket {
  uint32_t limit, left;
  uint64_t refilled; /* time of the last refill */
  uint32_t useful;   /* count of useful traffic at the last refill */
};

struct mw_http_flood {
  struct mw_http_bucket resets, control; /* `resets` in tenths */
  size_t block_limit, block;             /* bytes of a header block */
  uint32_t block_frames;                 /* of the block so far */
  uint32_t blocks;                       /* header blocks begun, modulo 2^32 */
  bool in_block;                         /* a header block is unfinished */
  /* The session updates these: */
  uint64_t now;      /* milliseconds, of any clock */
  uint32_t answered; /* streams that the server has answered to their end, modulo 2^32 */
  uint32_t frames;   /* HEADERS and DATA that the server has sent, and streams opened (counted here), modulo 2^32 */
};

enum mw_http_limit { MW_HTTP_LIMIT_NONE, MW_HTTP_LIMIT_RESETS, MW_HTTP_LIMIT_CONTROL, MW_HTTP_LIMIT_BLOCK };

/* `metadata`: the largest accepted header list in bytes. */
void mw_http_flood_init(struct mw_http_flood *flood, uint32_t resets, uint32_t control, size_t metadata, uint64_t now);

/* Counts a frame with `len` bytes of payload. Returns the limit that this exceeds, or MW_HTTP_LIMIT_NONE. */
enum mw_http_limit mw_http_flood_count(struct mw_http_flood *flood, uint8_t type, uint8_t flags, size_t len);

/* Corrects the count of HEADERS that opened no stream: they are a control frame. Returns as above. */
enum mw_http_limit mw_http_flood_count_trailers(struct mw_http_flood *flood);

/* Counts a stream that the client has reset, or has made the server reset. `begun`: the client has cancelled a call
 * that its handler has begun. Returns as above. */
enum mw_http_limit mw_http_flood_count_reset(struct mw_http_flood *flood, bool begun);

#endif
