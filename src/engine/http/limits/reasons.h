/* Disconnect reasons: why the server ends or refuses connections and calls; reported by rpc/disconnect.h. */
#ifndef MW_ENGINE_HTTP_LIMITS_REASONS_H
#define MW_ENGINE_HTTP_LIMITS_REASONS_H

#include "rpc/disconnect.h"

enum mw_http_reason {
  MW_HTTP_REASON_PROTOCOL,       /* HTTP/2 protocol error */
  MW_HTTP_REASON_HTTP1,          /* HTTP/1 request */
  MW_HTTP_REASON_TLS,            /* failed TLS handshake */
  MW_HTTP_REASON_HANDSHAKE,      /* timeout of the first frame */
  MW_HTTP_REASON_HEADERS,        /* timeout of a header block */
  MW_HTTP_REASON_LONG_HEADERS,   /* header block too long */
  MW_HTTP_REASON_FRAME,          /* timeout of a frame */
  MW_HTTP_REASON_RESETS,         /* too many stream resets */
  MW_HTTP_REASON_CONTROL_FRAMES, /* too many control frames */
  MW_HTTP_REASON_UNREAD_ACKS,    /* too many unread answers to PING and SETTINGS */
  MW_HTTP_REASON_WRITE,          /* timeout of a write: the client reads nothing */
  MW_HTTP_REASON_PINGS,          /* too many PINGs */
  MW_HTTP_REASON_KEEPALIVE,      /* keepalive timeout */
  MW_HTTP_REASON_CONNECTIONS,    /* too many connections */
  MW_HTTP_REASON_BACKLOG,        /* accept() fails: connections wait in the backlog */
  MW_HTTP_REASON_MEMORY,         /* no memory for a new connection */
  MW_HTTP_REASON_MESSAGE,        /* of a call alone: timeout of a request message */
  MW_HTTP_REASON_RESPONSE,       /* of a call alone: timeout of a response that the client does not read */
  MW_HTTP_REASON_NOT_GRPC,       /* of a call alone: request of another protocol over HTTP/2 */
  MW_HTTP_REASONS                /* their number; no reason */
};

/* The state of each reason. */
struct mw_http_reasons {
  struct mw_disconnects of[MW_HTTP_REASONS];
};

/* `metrics`, `peer` and `detail` may be NULL. */
void mw_http_reason_report(struct mw_http_reasons *reasons, struct mw_metrics *metrics, enum mw_http_reason reason,
                           const char *peer, const char *detail);

#endif
