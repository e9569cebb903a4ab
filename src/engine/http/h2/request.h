/* The header fields of one request, parsed and checked (gRPC over HTTP/2, "Requests").
 *
 * A request is initialised when a stream's headers begin, gets each field as it is decoded, and is checked once they
 * are complete. nghttp2 enforces the rules of HTTP (pseudo fields once and first, no upper case, no connection fields,
 * `te` only with "trailers"). Kept fields are copied to the arena and live as long as it.
 *
 * Accepted values:
 *   :method       POST
 *   content-type  application/grpc or application/grpc+proto, in any case, with or without parameters
 *   te            may be missing, as in all implementations but C core: some proxies remove it
 *   grpc-timeout  1 to 8 digits and one of HMSmun
 *   grpc-encoding identity, deflate, gzip
 *
 * All other fields are metadata, in their order, except those named ":..." or "grpc-..." (grpc-previous-rpc-attempts is
 * metadata), and `host` where it replaces :authority. A value of a "-bin" name is split at commas; each part is decoded
 * and becomes an entry of its own. */
#ifndef MW_ENGINE_HTTP_H2_REQUEST_H
#define MW_ENGINE_HTTP_H2_REQUEST_H

#include <stdbool.h>

#include "rpc/compression.h"
#include "rpc/metadata.h"
#include "rpc/status.h"

/* The response to a refused request. Its bytes are static or the arena's. */
struct mw_http_refusal {
  unsigned http;           /* HTTP status: 200 for Trailers-Only, 405 or 415 */
  bool grpc;               /* the client speaks gRPC and gets `status` */
  bool body;               /* the message of `status` is sent as text */
  struct mw_status status; /* its message is never empty */
};

struct mw_http_request {
  /* The result, valid once checked. */
  struct mw_slice path; /* "/package.Service/Method" */
  struct mw_metadata metadata;
  int64_t timeout;                 /* nanoseconds; MW_NEVER without a timeout, or for one that overflows */
  enum mw_compression compression; /* grpc-encoding: of messages with the compressed flag */
  unsigned accepts;                /* accepted encodings: bits 1 << MW_COMPRESSION_...; identity always */

  /* Private. */
  struct mw_arena *arena;
  size_t limit, size; /* of the header list, as HTTP/2 counts */
  unsigned flags, rank;
  struct mw_status error; /* the first error of the greatest rank */
};

/* `limit`: bytes of the header list; names, values and 32 for each field (RFC 9113, 6.5.2). */
void mw_http_request_init(struct mw_http_request *request, struct mw_arena *arena, size_t limit);

/* Adds a field. Borrows its bytes; blanks at the ends of the value belong to it. Records an error for
 * mw_http_request_check(). Past the limit, keeps no more fields. Returns 0 or MW_ENOMEM, after which the request is of
 * no use. */
int mw_http_request_add(struct mw_http_request *request, struct mw_slice name, struct mw_slice value);

/* Returns true if the call can begin. If not, fills in `refusal`; errors listed earlier take precedence:
 *   header list over the limit                RESOURCE_EXHAUSTED
 *   method other than POST                    HTTP 405
 *   content-type other than above             HTTP 415; with INVALID_ARGUMENT if it is application/grpc+...
 *   malformed grpc-timeout, or "-bin" value   INTERNAL, as in grpc-go (C core ignores a malformed grpc-timeout)
 *   grpc-encoding other than above            UNIMPLEMENTED */
bool mw_http_request_check(const struct mw_http_request *request, struct mw_http_refusal *refusal);

#endif
