/* The bytes of a stream yield the same messages, or the same error, whether they arrive at once or in pieces of any
 * size. The first two bytes of an input choose the compression and the size of the pieces. */
#include <stdlib.h>

#include "engine/http/h2/reader.h"

enum { LIMIT = 1 << 16 };

static void check(bool holds) {
  if (!holds) abort();
}

/* Appends each message with its length, and the last result of next(), to `out`. `step` 0 feeds all bytes at once. */
static void read_all(const uint8_t *data, size_t size, enum mw_compression compression, size_t step,
                     struct mw_buf *out) {
  struct mw_http_reader reader;
  struct mw_buf scratch = MW_BUF_INIT;
  mw_http_reader_init(&reader, LIMIT);
  mw_http_reader_set_compression(&reader, compression);
  int rc = MW_HTTP_READ_MORE;
  for (size_t at = 0, credit = 0; rc == MW_HTTP_READ_MORE;) {
    size_t len = step > 0 && size - at > step ? step : size - at;
    check(mw_http_reader_feed(&reader, mw_slice(data + at, len)) == 0);
    at += len;
    if (step % 2 == 1) check(mw_http_reader_keep(&reader) == 0);
    if (at == size) mw_http_reader_end(&reader);
    struct mw_slice message;
    while ((rc = mw_http_reader_next(&reader, &scratch, &message, NULL)) == MW_HTTP_READ_MESSAGE) {
      check(message.len <= LIMIT);
      check(mw_buf_printf(out, "%zu ", message.len) == 0 && mw_buf_append(out, message.data, message.len) == 0);
    }
    credit += mw_http_reader_credit(&reader);
    check(credit <= at && (rc != MW_HTTP_READ_END || credit == size));
    check(reader.buf.cap <= 4 * (at + 1024));
  }
  check(mw_buf_printf(out, "%d", rc) == 0);
  mw_buf_fini(&scratch);
  mw_http_reader_fini(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  enum mw_compression compression = (enum mw_compression)(data[0] % MW_COMPRESSION_COUNT);
  struct mw_buf once = MW_BUF_INIT, pieces = MW_BUF_INIT;
  read_all(data + 2, size - 2, compression, 0, &once);
  read_all(data + 2, size - 2, compression, data[1] + 1u, &pieces);
  check(mw_slice_eq(mw_buf_slice(&once), mw_buf_slice(&pieces)));
  mw_buf_fini(&once);
  mw_buf_fini(&pieces);
  return 0;
}
