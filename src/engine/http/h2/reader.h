/* Parses and writes length-prefixed messages (gRPC over HTTP/2, "Length-Prefixed-Message").
 *
 * A reader parses the DATA of a stream and returns one message at a time; later bytes stay in the reader. It first only
 * borrows the bytes that it is fed. A message that is complete in them, or in the reader's own buffer, is returned as a
 * view, without a copy. The buffer grows as bytes arrive, and for a message never beyond the length in its prefix. A
 * prefix over the limit is an error before any of the message is kept.
 *
 *   on DATA:           mw_http_reader_feed(chunk); then next() while the handler wants messages
 *   chunk goes away:   mw_http_reader_keep()   (once is enough for several chunks: feed() keeps the one before)
 *   on END_STREAM:     mw_http_reader_end(); then next() as above
 *   then:              mw_http_reader_credit() returns the flow-control credit for the peer
 *
 * Credit covers the messages that next() has returned and, with `credits_partial`, the beginning of a message that
 * next() was called for. So the peer may send on exactly when the handler waits. */
#ifndef MW_ENGINE_HTTP_H2_READER_H
#define MW_ENGINE_HTTP_H2_READER_H

#include <stdbool.h>

#include "rpc/compression.h"

enum { MW_HTTP_PREFIX = 5 };

struct mw_http_reader {
  size_t limit;                    /* of one message, compressed and decompressed */
  enum mw_compression compression; /* of messages with the compressed flag */
  bool compressed;                 /* a returned message had the flag; the caller clears it */
  bool ended;                      /* no more bytes follow */
  struct mw_slice chunk;           /* borrowed; unread bytes that follow those in `buf` */
  struct mw_buf buf;               /* owned; [start, len) is unread */
  size_t start;
  size_t credited; /* unread bytes that are credited already */
  size_t credit;
  bool credits_partial; /* gives credit for the beginning of a message */
  bool failed;          /* bytes are lost, for lack of memory */
};

/* The compression is IDENTITY and can be set until the first message. */
void mw_http_reader_init(struct mw_http_reader *reader, size_t limit);

/* Frees the buffer of a reader that is initialised or all zeros. */
void mw_http_reader_fini(struct mw_http_reader *reader);

/* Prepares the reader for the next stream; keeps a small buffer. */
void mw_http_reader_reset(struct mw_http_reader *reader);

/* Sets the encoding of messages with the compressed flag; IDENTITY makes them an error. */
void mw_http_reader_set_compression(struct mw_http_reader *reader, enum mw_compression compression);

/* Adds bytes of the stream; borrows them until the next feed(), keep(), reset() or fini(). Returns 0, or MW_ENOMEM if
 * the earlier chunk could not be kept; the new bytes are not taken then. */
int mw_http_reader_feed(struct mw_http_reader *reader, struct mw_slice chunk);

/* Copies the unread part of the borrowed bytes. A view that next() returned into them stays valid as long as the bytes
 * do. Returns 0 or MW_ENOMEM; then the bytes are lost, and next() fails. */
int mw_http_reader_keep(struct mw_http_reader *reader);

/* The stream has ended. */
void mw_http_reader_end(struct mw_http_reader *reader);

enum mw_http_read { MW_HTTP_READ_MORE, MW_HTTP_READ_MESSAGE, MW_HTTP_READ_END };

/* Gets the next message, decompressed: a view of the borrowed bytes, of the buffer, or of `scratch` (if it was
 * compressed), valid until the next call on the reader or use of `scratch`. Returns one of the above, END only after
 * mw_http_reader_end(), or an error, here with the status that it stands for:
 *   MW_EFORMAT  unknown flag, compressed without grpc-encoding, damaged, or the stream ends within it: INTERNAL
 *   MW_ELIMIT   over the limit: RESOURCE_EXHAUSTED
 *   MW_ENOMEM   RESOURCE_EXHAUSTED
 * After an error only reset() and fini() may be called. */
int mw_http_reader_next(struct mw_http_reader *reader, struct mw_buf *scratch, struct mw_slice *message,
                        struct mw_err *err);

/* Returns true if the unread bytes are exactly one complete message that next() will not refuse. */
bool mw_http_reader_holds_one_message(const struct mw_http_reader *reader);

/* Returns the size, prefix included, of an incomplete message; 0 if there is none or next() will refuse it. */
size_t mw_http_reader_partial_size(const struct mw_http_reader *reader);

/* Gives credit for the beginning of a message, and sets `credits_partial`. */
void mw_http_reader_grant(struct mw_http_reader *reader);

/* Returns the number of unread bytes. */
static inline size_t mw_http_reader_held(const struct mw_http_reader *reader) {
  return reader->buf.len - reader->start + reader->chunk.len;
}

/* Returns the bytes of credit for the peer since the last call. */
static inline size_t mw_http_reader_credit(struct mw_http_reader *reader) {
  size_t credit = reader->credit;
  reader->credit = 0;
  return credit;
}

/* Returns the message length in a prefix. */
static inline size_t mw_http_read_prefix(const uint8_t prefix[MW_HTTP_PREFIX]) {
  return (size_t)prefix[1] << 24 | (size_t)prefix[2] << 16 | (size_t)prefix[3] << 8 | prefix[4];
}

/* Writes the prefix of a message of `size` bytes, at most UINT32_MAX, to `out`. */
static inline void mw_http_write_prefix(uint8_t out[MW_HTTP_PREFIX], size_t size, bool compressed) {
  out[0] = compressed;
  out[1] = (uint8_t)(size >> 24);
  out[2] = (uint8_t)(size >> 16);
  out[3] = (uint8_t)(size >> 8);
  out[4] = (uint8_t)size;
}

#endif
