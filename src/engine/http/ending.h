/* Why the server ends or refuses connections, and calls; reported as in rpc/disconnect.h. */
#ifndef MW_ENGINE_HTTP_ENDING_H
#define MW_ENGINE_HTTP_ENDING_H

#include "rpc/disconnect.h"

enum mw_http_ending {
  MW_HTTP_END_PROTOCOL,  /* an error of HTTP/2's */
  MW_HTTP_END_HTTP1,     /* a request of HTTP/1 */
  MW_HTTP_END_TLS,       /* no session came about */
  MW_HTTP_END_HANDSHAKE, /* no first frame in time */
  MW_HTTP_END_HEADERS,   /* a header block that did not end in time */
  MW_HTTP_END_BLOCK,     /* a header block too long */
  MW_HTTP_END_FRAME,     /* a frame that did not end in time */
  MW_HTTP_END_RESETS,
  MW_HTTP_END_CONTROL,
  MW_HTTP_END_ACKS,      /* does not read the answers to its PINGs and SETTINGS */
  MW_HTTP_END_STUCK,     /* takes nothing of what it is sent */
  MW_HTTP_END_PINGS,     /* too many of them */
  MW_HTTP_END_SILENT,    /* no sign of life after a PING */
  MW_HTTP_END_REFUSED,   /* too many connections */
  MW_HTTP_END_WAITING,   /* connections that can be neither accepted nor refused for now */
  MW_HTTP_END_MEMORY,    /* no memory for a new one */
  MW_HTTP_END_MESSAGE,   /* of a call alone: a message that stands still */
  MW_HTTP_END_UNTAKEN,   /* of a call alone: an answer that is not taken */
  MW_HTTP_END_FOREIGN,   /* of a call alone: a request of another protocol over HTTP/2 */
  MW_HTTP_ENDINGS
};

struct mw_http_engine;

struct mw_http_endings {
  struct mw_disconnects of[MW_HTTP_ENDINGS];
};

/* `peer` and `detail` may be NULL. */
void mw_http_ending(struct mw_http_engine *engine, enum mw_http_ending ending, const char *peer, const char *detail);

#endif
