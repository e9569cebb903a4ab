/* Compression of messages (gRPC over HTTP/2, "Message-Encoding"). All pure; any thread. */
#ifndef MW_RPC_COMPRESSION_H
#define MW_RPC_COMPRESSION_H

#include "base/buf.h"

enum mw_compression { MW_COMPRESSION_IDENTITY, MW_COMPRESSION_DEFLATE, MW_COMPRESSION_GZIP };

enum { MW_COMPRESSION_COUNT = 3 };

/* The encodings that this server accepts and sends, as a `grpc-accept-encoding` value. */
#define MW_COMPRESSION_ACCEPTED "identity,deflate,gzip"

/* Returns "identity", "deflate" or "gzip", static. */
const char *mw_compression_name(enum mw_compression compression);

/* Finds a compression by name; -1 if there is none. */
int mw_compression_find(struct mw_slice name);

/* Decompresses a message of `count` pieces into `out`, which is empty; IDENTITY joins the pieces. `out` grows as
 * bytes are decompressed, to at most one byte over `limit`. Zero bytes are an empty message. Returns 0, MW_ELIMIT
 * (more than `limit` bytes), MW_EFORMAT (not of this compression, truncated, or followed by more bytes) or
 * MW_ENOMEM. On failure the content of `out` is undefined. */
int mw_decompress(enum mw_compression compression, const struct mw_slice *pieces, size_t count, size_t limit,
                  struct mw_buf *out, struct mw_err *err);

/* Sets the error of a message that is longer than `limit` bytes, compressed or not. Returns MW_ELIMIT. */
int mw_message_over_limit(size_t limit, struct mw_err *err);

/* Appends the compressed `bytes`. Returns 0, MW_ELIMIT (above zlib's maximum, nearly 4 GiB) or MW_ENOMEM; `out` is
 * then unchanged. */
int mw_compress(enum mw_compression compression, struct mw_slice bytes, struct mw_buf *out, struct mw_err *err);

#endif
