/* What a client may send without getting anywhere: frames that cost it nothing and the server something.
 *
 * A connection has a number of such frames to spare, of two kinds: RST_STREAM; and control frames, which are PING,
 * SETTINGS (one of which counts for ten: it can touch every stream), PRIORITY, WINDOW_UPDATE, HEADERS that open no
 * stream, DATA without bytes (or with so few that all may be padding) and frames of unknown types. A tenth of each limit
 * comes back in a second; and what gets somewhere gives them back as well: a stream that was answered to its end a
 * reset; HEADERS that opened a stream, HEADERS and DATA that the server sent, ten control frames each. So a client that
 * measures its bandwidth by PINGs, takes a lot of data, or cancels half of its calls is never in want.
 *
 * A reset is cheap for the client if it comes at once: then it takes no place among the concurrent streams. So the
 * cancel of a call that its handler has begun costs a tenth of a reset, and the session does not count that of a call
 * which has received headers or was open for MW_HTTP_FLOOD_FREE_MS.
 *
 * A header block has a limit of its own, in bytes and in frames, so that it comes to an end. */
#ifndef MW_ENGINE_HTTP_FLOOD_H
#define MW_ENGINE_HTTP_FLOOD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MW_HTTP_FLOOD_FREE_MS = 100 };

struct mw_http_allowance {
  uint32_t limit, left;
  uint64_t since;    /* time, and gains, when `left` was last added to */
  uint32_t gained;
};

struct mw_http_flood {
  struct mw_http_allowance resets, control; /* `resets` in tenths */
  size_t block_limit, block; /* bytes of a header block */
  uint32_t block_frames;     /* of the block so far */
  uint32_t blocks;           /* header blocks that have begun, modulo 2^32 */
  bool in_block;             /* one is not finished */
  /* Whoever has the connection keeps these: */
  uint64_t now;      /* milliseconds, of any clock */
  uint32_t answered; /* streams that were, to their end; modulo 2^32 */
  uint32_t frames;   /* of HEADERS and DATA that were sent, and streams that opened (counted here); modulo 2^32 */
};

enum mw_http_excess { MW_HTTP_NO_EXCESS, MW_HTTP_EXCESS_RESETS, MW_HTTP_EXCESS_CONTROL, MW_HTTP_EXCESS_BLOCK };

/* `metadata`: bytes of the largest header list that is accepted. */
void mw_http_flood_init(struct mw_http_flood *flood, uint32_t resets, uint32_t control, size_t metadata, uint64_t now);

/* The head of a frame with `len` bytes of payload. */
enum mw_http_excess mw_http_flood_count(struct mw_http_flood *flood, uint8_t type, uint8_t flags, size_t len);

/* HEADERS that were counted as opening a stream have opened none. */
enum mw_http_excess mw_http_flood_recount(struct mw_http_flood *flood);

/* A stream that the client has reset, or has made the server reset; `begun`: it has cancelled a call that its handler has
 * begun. */
enum mw_http_excess mw_http_flood_count_reset(struct mw_http_flood *flood, bool begun);

#endif
