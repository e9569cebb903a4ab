/* The header fields of one request, and what is thought of them (gRPC over HTTP/2, "Requests").
 *
 * A request is initialised when a stream's headers begin, is given each field as it is decoded, and is judged when they
 * are complete. HTTP's own rules (pseudo fields once and first, no upper case, no connection fields, no `te` but
 * "trailers") are nghttp2's to enforce. What is kept is copied to the arena, and is valid as long as that.
 *
 * What is accepted:
 *   :method       POST
 *   content-type  application/grpc or application/grpc+proto, in any case, with parameters or without
 *   te            may be missing, as everywhere but in C core: some proxies take it away and are harmless
 *   grpc-timeout  1 to 8 digits and one of HMSmun
 *   grpc-encoding identity, deflate, gzip
 * Names of the form ":...", "grpc-..." and te, content-type and, in the place of :authority, host are not metadata, but
 * grpc-previous-rpc-attempts is, as are all others, in their order. Values of "-bin" names are split at commas and decoded,
 * each is an entry of its own. */
#ifndef MW_ENGINE_HTTP_REQUEST_H
#define MW_ENGINE_HTTP_REQUEST_H

#include <stdbool.h>

#include "rpc/compression.h"
#include "rpc/metadata.h"
#include "rpc/status.h"

/* Why a request is not taken. Its bytes are static or the arena's. */
struct mw_http_refusal {
  unsigned http;           /* 200 for a status in trailers only; 405, 415 */
  bool grpc;               /* the client speaks gRPC: it gets the status */
  bool body;               /* it gets the status' message as text */
  struct mw_status status; /* its message is never empty */
};

struct mw_http_request {
  /* For whoever takes the request, once it is judged. */
  struct mw_slice path;      /* "/package.Service/Method" */
  struct mw_metadata metadata;
  int64_t timeout;           /* nanoseconds; MW_NEVER without one, or for one beyond that */
  enum mw_compression compression; /* grpc-encoding: of messages with the compressed flag */
  unsigned accepts;          /* bits 1 << MW_COMPRESSION_...: what the client takes; identity always */

  /* Inside. */
  struct mw_arena *arena;
  size_t limit, size; /* of the header list, as HTTP/2 counts */
  unsigned flags, rank;
  struct mw_status finding; /* the one that weighs most, the first of those */
};

/* `limit`: bytes of the header list, names and values and 32 for each field (RFC 9113, 6.5.2). */
void mw_http_request_init(struct mw_http_request *request, struct mw_arena *arena, size_t limit);

/* One field. Borrows its bytes; blanks at the ends of a value are part of it. What is wrong with it is kept for the
 * judgement; past the limit nothing else is. Returns 0 or MW_ENOMEM, after which the request is of no use. */
int mw_http_request_add(struct mw_http_request *request, struct mw_slice name, struct mw_slice value);

/* Whether the call can begin. If not, says why; what comes first here goes before:
 *   header list over the limit                RESOURCE_EXHAUSTED
 *   method other than POST                    HTTP 405
 *   content-type other than above             HTTP 415; with INVALID_ARGUMENT if it is application/grpc+...
 *   malformed grpc-timeout, or "-bin" value   INTERNAL, as in grpc-go (C core takes no notice of the first)
 *   grpc-encoding other than above            UNIMPLEMENTED */
bool mw_http_request_judge(const struct mw_http_request *request, struct mw_http_refusal *refusal);

#endif
