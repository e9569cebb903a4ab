/* The header fields of a response (gRPC over HTTP/2, "Responses"), in nghttp2's form.
 *
 * nghttp2 references names and values instead of copying them: they are static, in the arena, or those of the given
 * metadata and status. All of these must live until nghttp2 has serialised the frame or closed the stream. The array
 * itself is not needed after the submit.
 *
 * Values of "-bin" names are sent as base64 without padding. Other values lose blanks at their ends, which HTTP/2
 * forbids. An entry whose name or value is not printable ASCII is omitted, as in C core: HTTP/2 cannot carry it. */
#ifndef MW_ENGINE_HTTP_H2_RESPONSE_H
#define MW_ENGINE_HTTP_H2_RESPONSE_H

#include <nghttp2/nghttp2.h>

#include "engine/http/h2/request.h"

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

/* Headers and trailers in one block, without grpc-encoding, for a call that ends before its first message. Returns 0 or
 * MW_ENOMEM. */
int mw_http_response_trailers_only(struct mw_http_fields *out, const struct mw_status *status,
                                   const struct mw_metadata *headers, const struct mw_metadata *trailers,
                                   struct mw_arena *arena);

/* The response to a refused request. HTTP 200: as mw_http_response_trailers_only(). Else the HTTP status; `allow` with
 * 405; content-type, grpc-status and grpc-message for a gRPC client; a content-type of text if a body follows. Returns
 * 0 or MW_ENOMEM. */
int mw_http_response_refusal(struct mw_http_fields *out, const struct mw_http_refusal *refusal, struct mw_arena *arena);

#endif
