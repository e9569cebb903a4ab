#include "engine/http/h2/reader.h"

enum { FLAG_COMPRESSED = 1, BUF_KEPT = 16 * 1024, SCRATCH_KEPT = 1024 * 1024, STEP = 1024 };

void mw_http_reader_init(struct mw_http_reader *reader, size_t limit) {
  *reader = (struct mw_http_reader){.limit = limit, .compression = MW_COMPRESSION_IDENTITY, .credits_partial = true};
}

void mw_http_reader_fini(struct mw_http_reader *reader) { mw_buf_fini(&reader->buf); }

void mw_http_reader_reset(struct mw_http_reader *reader) {
  struct mw_buf buf = reader->buf;
  if (buf.cap > BUF_KEPT) mw_buf_fini(&buf);
  mw_buf_clear(&buf);
  mw_http_reader_init(reader, reader->limit);
  reader->buf = buf;
}

void mw_http_reader_set_compression(struct mw_http_reader *reader, enum mw_compression compression) {
  reader->compression = compression;
}

void mw_http_reader_end(struct mw_http_reader *reader) { reader->ended = true; }

/* ---- the unread bytes: those of the buffer, then those of the chunk ---- */

static size_t buffered(const struct mw_http_reader *reader) { return reader->buf.len - reader->start; }

/* Copies the first `len` unread bytes, which may lie in both, to `out`. */
static void peek(const struct mw_http_reader *reader, uint8_t *out, size_t len) {
  size_t first = buffered(reader) < len ? buffered(reader) : len;
  if (first > 0) memcpy(out, reader->buf.data + reader->start, first);
  if (len > first) memcpy(out + first, reader->chunk.data, len - first);
}

/* Parses the prefix. Returns false while it is incomplete. */
static bool read_prefix(const struct mw_http_reader *reader, uint8_t *flag, size_t *size) {
  if (mw_http_reader_held(reader) < MW_HTTP_PREFIX) return false;
  uint8_t prefix[MW_HTTP_PREFIX];
  peek(reader, prefix, sizeof prefix);
  *flag = prefix[0];
  *size = mw_http_read_prefix(prefix);
  return true;
}

static bool is_refused(const struct mw_http_reader *reader, uint8_t flag, size_t size) {
  return flag > FLAG_COMPRESSED || size > reader->limit ||
         (flag == FLAG_COMPRESSED && reader->compression == MW_COMPRESSION_IDENTITY);
}

static void move_to_front(struct mw_http_reader *reader) {
  size_t left = buffered(reader);
  if (left > 0) memmove(reader->buf.data, reader->buf.data + reader->start, left);
  reader->buf.len = left;
  reader->start = 0;
}

/* Returns the room to make for `len` more bytes: as much as there is, so that the cost of moving bytes is amortized,
 * but not past the end of their message. */
static size_t growth(const struct mw_http_reader *reader, size_t len) {
  size_t size, there = buffered(reader), more = there < STEP ? STEP : there;
  uint8_t flag;
  if (read_prefix(reader, &flag, &size) && !is_refused(reader, flag, size) && MW_HTTP_PREFIX + size >= there + len) {
    size_t missing = MW_HTTP_PREFIX + size - there;
    if (more > missing) more = missing;
  }
  return more > len ? more : len;
}

/* Moves `len` bytes of the chunk to the buffer. */
static int keep(struct mw_http_reader *reader, size_t len) {
  if (len == 0) return 0;
  if (reader->start >= buffered(reader)) move_to_front(reader); /* moves no more bytes than were read */
  if (reader->buf.cap <= reader->buf.len + len) {
    move_to_front(reader);
    if (mw_buf_reserve_exact(&reader->buf, growth(reader, len)) != 0) return MW_ENOMEM;
  }
  mw_buf_append(&reader->buf, reader->chunk.data, len);
  reader->chunk = mw_slice(reader->chunk.data + len, reader->chunk.len - len);
  return 0;
}

int mw_http_reader_keep(struct mw_http_reader *reader) {
  int rc = keep(reader, reader->chunk.len);
  if (rc == 0) return 0;
  reader->chunk = mw_slice(NULL, 0);
  reader->failed = true;
  return rc;
}

int mw_http_reader_feed(struct mw_http_reader *reader, struct mw_slice chunk) {
  if (mw_http_reader_keep(reader) != 0) return MW_ENOMEM;
  reader->chunk = chunk;
  return 0;
}

/* Returns the first `len` unread bytes as one piece; they count as read. Returns 0 or MW_ENOMEM. */
static int take(struct mw_http_reader *reader, size_t len, struct mw_slice *out) {
  if (buffered(reader) == 0 && reader->chunk.len >= len) {
    *out = mw_slice(reader->chunk.data, len);
    reader->chunk = mw_slice(reader->chunk.data + len, reader->chunk.len - len);
  } else {
    if (len > buffered(reader) && keep(reader, len - buffered(reader)) != 0) return MW_ENOMEM;
    *out = mw_slice(reader->buf.data + reader->start, len);
    reader->start += len;
  }
  reader->credit += len - reader->credited;
  reader->credited = 0;
  return 0;
}

/* ---- messages ---- */

static int refuse(const struct mw_http_reader *reader, uint8_t flag, struct mw_err *err) {
  if (flag > FLAG_COMPRESSED) return mw_err_set(err, MW_EFORMAT, "message with the unknown flags 0x%02x", flag);
  if (flag == FLAG_COMPRESSED && reader->compression == MW_COMPRESSION_IDENTITY) {
    return mw_err_set(err, MW_EFORMAT, "compressed message, and no grpc-encoding in the headers");
  }
  return mw_message_over_limit(reader->limit, err);
}

static void credit_partial(struct mw_http_reader *reader) {
  size_t held = mw_http_reader_held(reader);
  reader->credit += held - reader->credited;
  reader->credited = held;
}

void mw_http_reader_grant(struct mw_http_reader *reader) {
  reader->credits_partial = true;
  credit_partial(reader);
}

/* Handles an incomplete message: END or an error if the stream has ended; else gives the peer credit for the rest. */
static int wait(struct mw_http_reader *reader, struct mw_err *err) {
  size_t held = mw_http_reader_held(reader);
  if (reader->ended && held == 0) return MW_HTTP_READ_END;
  if (reader->ended) return mw_err_set(err, MW_EFORMAT, "the stream has ended within a message");
  if (reader->credits_partial) credit_partial(reader);
  return MW_HTTP_READ_MORE;
}

int mw_http_reader_next(struct mw_http_reader *reader, struct mw_buf *scratch, struct mw_slice *message,
                        struct mw_err *err) {
  uint8_t flag;
  size_t size;
  if (reader->failed) return mw_err_set(err, MW_ENOMEM, "out of memory for a message");
  if (!read_prefix(reader, &flag, &size)) return wait(reader, err);
  if (is_refused(reader, flag, size)) return refuse(reader, flag, err);
  if (mw_http_reader_held(reader) - MW_HTTP_PREFIX < size) return wait(reader, err);
  struct mw_slice whole;
  if (take(reader, MW_HTTP_PREFIX + size, &whole) != 0) {
    return mw_err_set(err, MW_ENOMEM, "out of memory for a message");
  }
  struct mw_slice payload = mw_slice(whole.data + MW_HTTP_PREFIX, size);
  if (flag == FLAG_COMPRESSED) {
    if (scratch->cap > SCRATCH_KEPT) mw_buf_fini(scratch);
    mw_buf_clear(scratch);
    int rc = mw_decompress(reader->compression, &payload, 1, reader->limit, scratch, err);
    if (rc != 0) return rc;
    reader->compressed = true;
    payload = mw_buf_slice(scratch);
  }
  *message = payload;
  return MW_HTTP_READ_MESSAGE;
}

bool mw_http_reader_holds_one_message(const struct mw_http_reader *reader) {
  uint8_t flag;
  size_t size;
  return read_prefix(reader, &flag, &size) && !is_refused(reader, flag, size) &&
         mw_http_reader_held(reader) - MW_HTTP_PREFIX == size;
}

size_t mw_http_reader_partial_size(const struct mw_http_reader *reader) {
  uint8_t flag;
  size_t size;
  if (!read_prefix(reader, &flag, &size) || is_refused(reader, flag, size)) return 0;
  return mw_http_reader_held(reader) < MW_HTTP_PREFIX + size ? MW_HTTP_PREFIX + size : 0;
}
