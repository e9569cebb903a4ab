/* Disconnect reasons: why the server ends or refuses connections and calls; reported by rpc/disconnect.h. */
#ifndef MW_ENGINE_HTTP_LIMITS_REASONS_H
#define MW_ENGINE_HTTP_LIMITS_REASONS_H

#include "rpc/disconnect.h"

enum mw_http_ending {
  MW_HTTP_END_PROTOCOL,  /* HTTP/2 protocol error */
  MW_HTTP_END_HTTP1,     /* HTTP/1 request */
  MW_HTTP_END_TLS,       /* failed TLS handshake */
  MW_HTTP_END_HANDSHAKE, /* timeout of the first frame */
  MW_HTTP_END_HEADERS,   /* timeout of a header block */
  MW_HTTP_END_BLOCK,     /* header block too long */
  MW_HTTP_END_FRAME,     /* timeout of a frame */
  MW_HTTP_END_RESETS,    /* too many stream resets */
  MW_HTTP_END_CONTROL,   /* too many control frames */
  MW_HTTP_END_ACKS,      /* too many unread answers to PING and SETTINGS */
  MW_HTTP_END_STUCK,     /* timeout of a write: the client reads nothing */
  MW_HTTP_END_PINGS,     /* too many PINGs */
  MW_HTTP_END_SILENT,    /* keepalive timeout */
  MW_HTTP_END_REFUSED,   /* too many connections */
  MW_HTTP_END_WAITING,   /* accept() fails: connections wait in the backlog */
  MW_HTTP_END_MEMORY,    /* no memory for a new connection */
  MW_HTTP_END_MESSAGE,   /* of a call alone: timeout of a request message */
  MW_HTTP_END_UNTAKEN,   /* of a call alone: timeout of a response that the client does not read */
  MW_HTTP_END_FOREIGN,   /* of a call alone: request of another protocol over HTTP/2 */
  MW_HTTP_ENDINGS
};

struct mw_http_engine;

struct mw_http_endings {
  struct mw_disconnects of[MW_HTTP_ENDINGS];
};

/* `peer` and `detail` may be NULL. */
void mw_http_ending(struct mw_http_engine *engine, enum mw_http_ending ending, const char *peer, const char *detail);

#endif
