/* The header fields that a server sends (gRPC over HTTP/2, "Responses"), in nghttp2's form.
 *
 * Nothing is to be copied: names and values are static, the arena's, or those of the metadata and the status that were
 * given, and have the flags that tell nghttp2 so. All of these must therefore live until nghttp2 has serialised the
 * frame, or closed the stream. The array itself may be forgotten after submitting it.
 *
 * Values of "-bin" names are sent as base64 without padding. Others lose blanks at their ends, which HTTP/2 forbids.
 * What HTTP/2 has no way to send, a name or value with other than printable ASCII, is left out, as in C core. */
#ifndef MW_ENGINE_HTTP_RESPONSE_H
#define MW_ENGINE_HTTP_RESPONSE_H

#include <nghttp2/nghttp2.h>

#include "engine/http/request.h"

struct mw_http_fields {
  const nghttp2_nv *nv;
  size_t len;
};

/* :status 200, content-type, grpc-encoding (unless `compression` is IDENTITY), grpc-accept-encoding, `headers`.
 * Returns 0 or MW_ENOMEM. */
int mw_http_response_headers(struct mw_http_fields *out, enum mw_compression compression,
                             const struct mw_metadata *headers, struct mw_arena *arena);

/* grpc-status, grpc-message percent-encoded (cut to MW_STATUS_MESSAGE_MAX), grpc-status-details-bin, `trailers`.
 * Returns 0 or MW_ENOMEM. */
int mw_http_response_trailers(struct mw_http_fields *out, const struct mw_status *status,
                              const struct mw_metadata *trailers, struct mw_arena *arena);

/* Both at once, for a call that ends before its first message: without grpc-encoding. Returns 0 or MW_ENOMEM. */
int mw_http_response_trailers_only(struct mw_http_fields *out, const struct mw_status *status,
                                   const struct mw_metadata *headers, const struct mw_metadata *trailers,
                                   struct mw_arena *arena);

/* The answer to a refused request: trailers only with HTTP 200; else the HTTP status, `allow` with 405, and content-type,
 * grpc-status and grpc-message for a client that speaks gRPC, the content-type of text where a body follows. Returns 0
 * or MW_ENOMEM. */
int mw_http_response_refusal(struct mw_http_fields *out, const struct mw_http_refusal *refusal,
                             struct mw_arena *arena);

#endif
