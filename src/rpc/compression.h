/* How messages are compressed (gRPC over HTTP/2, "Message-Encoding"). All of it pure; any thread. */
#ifndef MW_RPC_COMPRESSION_H
#define MW_RPC_COMPRESSION_H

#include "base/buf.h"

enum mw_compression { MW_COMPRESSION_IDENTITY, MW_COMPRESSION_DEFLATE, MW_COMPRESSION_GZIP };

enum { MW_COMPRESSION_COUNT = 3 };

/* What this server takes and sends, as the value of `grpc-accept-encoding`. */
#define MW_COMPRESSION_ACCEPTED "identity,deflate,gzip"

/* "identity", "deflate", "gzip". Static. */
const char *mw_compression_name(enum mw_compression compression);

/* From its name; -1 when there is none of that name. */
int mw_compression_find(struct mw_slice name);

/* Decompresses a message that lies in `count` pieces into `out`, which is empty; `out` grows as bytes come out, to one
 * byte past `limit` at the most. No bytes at all are an empty message. IDENTITY joins the pieces.
 * Returns 0, MW_ELIMIT (more than `limit` bytes), MW_EFORMAT (not what it says, cut off, or more behind its end) or
 * MW_ENOMEM. On failure what lies in `out` is of no use. */
int mw_decompress(enum mw_compression compression, const struct mw_slice *pieces, size_t count, size_t limit,
                  struct mw_buf *out, struct mw_err *err);

/* Sets the error of a message that is longer than `limit` bytes, compressed or not. Returns MW_ELIMIT. */
int mw_message_over_limit(size_t limit, struct mw_err *err);

/* Appends the compressed `bytes`. Returns 0, MW_ELIMIT (more than zlib takes, nearly 4 GiB) or MW_ENOMEM; then `out` is
 * as it was. */
int mw_compress(enum mw_compression compression, struct mw_slice bytes, struct mw_buf *out, struct mw_err *err);

#endif
