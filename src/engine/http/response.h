/* The header fields that a server sends (gRPC over HTTP/2, "Responses"), in nghttp2's form.
 *
 * Nothing is to be copied: names and values are static or lie in the arena, and have the flags that tell nghttp2 so.
 * The arena must therefore live until nghttp2 has serialised the frame, or closed the stream. The array itself may be
 * forgotten after submitting it; without metadata and message it is a static one.
 *
 * Values of "-bin" names are sent as base64 without padding. What would break the frame (mw_metadata_check() says what)
 * must not be in the metadata; fields of such names and values are left out. */
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

/* The whole answer to a refused request: trailers only with HTTP 200, else the HTTP status; 405 with `allow`; content
 * for people is not sent. Returns 0 or MW_ENOMEM. */
int mw_http_response_refusal(struct mw_http_fields *out, const struct mw_http_refusal *refusal,
                             struct mw_arena *arena);

#endif
