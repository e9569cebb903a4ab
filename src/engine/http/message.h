/* Length-prefixed messages (gRPC over HTTP/2, "Length-Prefixed-Message") out of the DATA of a stream, and into it.
 *
 * A reader gives one message at a time, when it is asked; what lies behind stays with it. Bytes that were fed are first
 * only borrowed: a message that lies in them whole is handed out as a view, without a copy, and so is one that is
 * complete in the reader's own buffer. The buffer grows as bytes come, and for a message never beyond the size that its
 * prefix announces; a prefix over the limit is an error before anything of the message is kept.
 *
 *   on DATA:        mw_http_reader_feed(chunk); then next() while the handler wants messages
 *   chunk goes away: mw_http_reader_keep()   (once for several chunks will do: feed() keeps the one before)
 *   on END_STREAM:  mw_http_reader_end(); then next() as above
 *   afterwards:     mw_http_reader_credit() says how much the peer may send in its place
 *
 * Credit is given for what next() has handed out and, unless the reader is stingy, for the beginning of a message that
 * next() was asked for: so a peer may send on exactly when somebody waits for it. */
#ifndef MW_ENGINE_HTTP_MESSAGE_H
#define MW_ENGINE_HTTP_MESSAGE_H

#include <stdbool.h>

#include "rpc/compression.h"

enum { MW_HTTP_PREFIX = 5 };

struct mw_http_reader {
  size_t limit;                    /* of one message, in both forms if it is compressed */
  enum mw_compression compression; /* of messages that have the flag */
  bool compressed;                 /* one that was handed out had the flag */
  bool ended;                      /* nothing more will be fed */
  struct mw_slice chunk;           /* borrowed, not read yet, behind what is in buf */
  struct mw_buf buf;               /* owned; [start, len) is not read yet */
  size_t start;
  size_t claimed;                  /* of the unread bytes: credited already */
  size_t credit;
  bool stingy;                     /* no credit for the beginning of a message */
  bool failed;                     /* bytes are lost, for lack of memory */
};

/* The compression is IDENTITY and can be set until the first message. */
void mw_http_reader_init(struct mw_http_reader *reader, size_t limit);

/* Frees the buffer. A reader that was initialised or is all zeros. */
void mw_http_reader_fini(struct mw_http_reader *reader);

/* For the next stream: forgets everything; keeps a small buffer. */
void mw_http_reader_reset(struct mw_http_reader *reader);

/* Messages with the compressed flag are of this kind from now on; for IDENTITY they are an error. */
void mw_http_reader_set_compression(struct mw_http_reader *reader, enum mw_compression compression);

/* Bytes of the stream, borrowed until the next feed(), keep(), reset() or fini(). Returns 0 or MW_ENOMEM (from keeping
 * the ones before; the new ones are not taken then). */
int mw_http_reader_feed(struct mw_http_reader *reader, struct mw_slice chunk);

/* Copies what is unread of the borrowed bytes. A view that next() gave into them may be used no longer than the bytes.
 * Returns 0 or MW_ENOMEM; then they are lost, and next() fails. */
int mw_http_reader_keep(struct mw_http_reader *reader);

/* The stream has ended. */
void mw_http_reader_end(struct mw_http_reader *reader);

enum mw_http_read { MW_HTTP_READ_MORE, MW_HTTP_READ_MESSAGE, MW_HTTP_READ_END };

/* The next message, decompressed, as a view of the borrowed bytes, the buffer, or `scratch` (when it was compressed):
 * valid until the next call on the reader or use of `scratch`. Returns one of the above, END only after
 * mw_http_reader_end(), or
 *   MW_EFORMAT  unknown flag, compressed without grpc-encoding, damaged, or the stream has ended within it: INTERNAL
 *   MW_ELIMIT   over the limit: RESOURCE_EXHAUSTED
 *   MW_ENOMEM   RESOURCE_EXHAUSTED
 * after which only reset() and fini() are of use. */
int mw_http_reader_next(struct mw_http_reader *reader, struct mw_buf *scratch, struct mw_slice *message,
                        struct mw_err *err);

/* Whether there is one message that is complete and will not be refused, and nothing behind it. */
bool mw_http_reader_is_alone(const struct mw_http_reader *reader);

/* The bytes, with its prefix, of the message that is not complete yet; 0 when there is none or it will be refused. */
size_t mw_http_reader_begun(const struct mw_http_reader *reader);

/* Gives credit for the beginning of a message; the reader is not stingy any more. */
void mw_http_reader_lend(struct mw_http_reader *reader);

/* Bytes that were fed and not handed out. */
static inline size_t mw_http_reader_held(const struct mw_http_reader *reader) {
  return reader->buf.len - reader->start + reader->chunk.len;
}

/* Bytes to credit the peer with since this was last asked. */
static inline size_t mw_http_reader_credit(struct mw_http_reader *reader) {
  size_t credit = reader->credit;
  reader->credit = 0;
  return credit;
}

/* The size of the message behind a prefix. */
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
