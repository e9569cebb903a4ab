/* Messages from DATA: any cut and any order of calls yields the same messages and the same credit, with no more memory
 * than the prefix announces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "engine/http/h2/reader.h"
#include "failmalloc.h"

enum { LIMIT = 1000 };

static void put_message(struct mw_buf *out, bool compressed, struct mw_slice payload) {
  uint8_t prefix[MW_HTTP_PREFIX];
  mw_http_write_prefix(prefix, payload.len, compressed);
  assert_int_equal(mw_buf_append(out, prefix, sizeof prefix), 0);
  assert_int_equal(mw_buf_append(out, payload.data, payload.len), 0);
}

static const char *const words[] = {"", "a", "", "of seven", "the last of them"};
enum { WORDS = sizeof words / sizeof *words };

/* Makes the bytes of all `words` as messages; every second one is compressed, unless `compression` is IDENTITY. */
static struct mw_buf sequence(enum mw_compression compression) {
  struct mw_buf out = MW_BUF_INIT;
  for (size_t i = 0; i < WORDS; i++) {
    struct mw_buf payload = MW_BUF_INIT;
    bool compressed = compression != MW_COMPRESSION_IDENTITY && i % 2 == 1;
    assert_int_equal(
        mw_compress(compressed ? compression : MW_COMPRESSION_IDENTITY, mw_slice_str(words[i]), &payload, NULL), 0);
    put_message(&out, compressed, mw_buf_slice(&payload));
    mw_buf_fini(&payload);
  }
  return out;
}

/* ---- a stream ---- */

struct stream {
  struct mw_http_reader reader;
  struct mw_buf scratch;
  size_t fed, credit, messages;
  bool ended;
};

static void stream_init(struct stream *s, enum mw_compression compression) {
  *s = (struct stream){0};
  mw_http_reader_init(&s->reader, LIMIT);
  mw_http_reader_set_compression(&s->reader, compression);
}

static void stream_fini(struct stream *s) {
  mw_http_reader_fini(&s->reader);
  mw_buf_fini(&s->scratch);
}

/* Takes all complete messages. Each must be the next of `words`. */
static void take_all(struct stream *s) {
  for (;;) {
    struct mw_slice message;
    bool alone = mw_http_reader_holds_one_message(&s->reader);
    int rc = mw_http_reader_next(&s->reader, &s->scratch, &message, NULL);
    assert_int_equal(alone, rc == MW_HTTP_READ_MESSAGE && mw_http_reader_held(&s->reader) == 0);
    s->credit += mw_http_reader_credit(&s->reader);
    s->ended = rc == MW_HTTP_READ_END;
    if (rc != MW_HTTP_READ_MESSAGE) {
      assert_true(rc == MW_HTTP_READ_MORE || rc == MW_HTTP_READ_END);
      break;
    }
    assert_true(s->messages < WORDS);
    assert_true(mw_slice_eq_str(message, words[s->messages]));
    s->messages++;
    assert_true(s->credit <= s->fed);
    assert_int_equal(mw_http_reader_held(&s->reader), s->fed - s->credit);
  }
  /* next() was called for all bytes, so all are credited. */
  assert_int_equal(s->credit, s->fed);
}

enum { EAGER = 1, KEEP = 2 };

/* Feeds `bytes` in pieces that end at the cuts. Each piece has memory of its own, which is freed as soon as allowed. */
static void run(enum mw_compression compression, struct mw_slice bytes, const size_t *cuts, size_t n, unsigned how) {
  struct stream s;
  stream_init(&s, compression);
  uint8_t *chunk = NULL;
  for (size_t i = 0, from = 0; i < n; from = cuts[i++]) {
    uint8_t *next = malloc(cuts[i] - from + 1);
    assert_non_null(next);
    memcpy(next, bytes.data + from, cuts[i] - from);
    assert_int_equal(mw_http_reader_feed(&s.reader, mw_slice(next, cuts[i] - from)), 0);
    free(chunk);
    chunk = next;
    s.fed = cuts[i];
    if (how & EAGER) take_all(&s);
    if (!(how & KEEP)) continue;
    assert_int_equal(mw_http_reader_keep(&s.reader), 0);
    free(chunk);
    chunk = NULL;
  }
  if (!(how & EAGER)) assert_int_equal(mw_http_reader_credit(&s.reader), 0); /* next() was not called */
  mw_http_reader_end(&s.reader);
  take_all(&s);
  assert_true(s.ended);
  assert_int_equal(s.messages, WORDS);
  assert_int_equal(s.reader.compressed, compression != MW_COMPRESSION_IDENTITY);
  free(chunk);
  stream_fini(&s);
}

static void reads_messages_cut_anywhere(void **state) {
  for (int compression = 0; compression < MW_COMPRESSION_COUNT; compression++) {
    struct mw_buf bytes = sequence((enum mw_compression)compression);
    for (unsigned how = 0; how < 4; how++) {
      for (size_t a = 0; a <= bytes.len; a++) {
        for (size_t b = a; b <= bytes.len; b++) {
          size_t cuts[] = {a, b, bytes.len};
          run((enum mw_compression)compression, mw_buf_slice(&bytes), cuts, 3, how);
        }
      }
    }
    mw_buf_fini(&bytes);
  }
}

static void reads_byte_by_byte(void **state) {
  struct mw_buf bytes = sequence(MW_COMPRESSION_GZIP);
  size_t *cuts = calloc(bytes.len, sizeof *cuts);
  assert_non_null(cuts);
  for (size_t i = 0; i < bytes.len; i++) cuts[i] = i + 1;
  for (unsigned how = 0; how < 4; how++) run(MW_COMPRESSION_GZIP, mw_buf_slice(&bytes), cuts, bytes.len, how);
  free(cuts);
  mw_buf_fini(&bytes);
}

static void does_not_copy_a_message_that_is_whole(void **state) {
  struct mw_buf bytes = sequence(MW_COMPRESSION_IDENTITY);
  struct stream s;
  stream_init(&s, MW_COMPRESSION_IDENTITY);
  assert_int_equal(mw_http_reader_feed(&s.reader, mw_buf_slice(&bytes)), 0);
  for (size_t i = 0, at = MW_HTTP_PREFIX; i < WORDS; i++) {
    struct mw_slice message;
    assert_int_equal(mw_http_reader_next(&s.reader, NULL, &message, NULL), MW_HTTP_READ_MESSAGE);
    assert_ptr_equal(message.data, bytes.data + at);
    at += message.len + MW_HTTP_PREFIX;
  }
  assert_int_equal(s.reader.buf.cap, 0);
  mw_buf_fini(&bytes);
  stream_fini(&s);
}

static void credits_messages_that_next_was_called_for(void **state) {
  struct stream s;
  stream_init(&s, MW_COMPRESSION_IDENTITY);
  struct mw_buf bytes = MW_BUF_INIT;
  struct mw_slice message;
  put_message(&bytes, false, mw_slice_str("0123456789"));
  put_message(&bytes, false, mw_slice_str("abc"));
  assert_int_equal(mw_http_reader_feed(&s.reader, mw_slice(bytes.data, 12)), 0);
  assert_int_equal(mw_http_reader_credit(&s.reader), 0);
  assert_int_equal(mw_http_reader_held(&s.reader), 12);
  assert_int_equal(mw_http_reader_next(&s.reader, &s.scratch, &message, NULL), MW_HTTP_READ_MORE);
  assert_int_equal(mw_http_reader_credit(&s.reader), 12);
  assert_int_equal(mw_http_reader_credit(&s.reader), 0);
  assert_int_equal(mw_http_reader_next(&s.reader, &s.scratch, &message, NULL), MW_HTTP_READ_MORE);
  assert_int_equal(mw_http_reader_credit(&s.reader), 0);
  assert_int_equal(mw_http_reader_feed(&s.reader, mw_slice(bytes.data + 12, bytes.len - 12)), 0);
  assert_int_equal(mw_http_reader_next(&s.reader, &s.scratch, &message, NULL), MW_HTTP_READ_MESSAGE);
  assert_int_equal(mw_http_reader_credit(&s.reader), 3);
  assert_int_equal(mw_http_reader_held(&s.reader), 8);
  assert_int_equal(mw_http_reader_next(&s.reader, &s.scratch, &message, NULL), MW_HTTP_READ_MESSAGE);
  assert_int_equal(mw_http_reader_credit(&s.reader), 8);
  mw_buf_fini(&bytes);
  stream_fini(&s);
}

/* ---- memory ---- */

static void grows_as_bytes_come(void **state) {
  enum { SIZE = 1 << 20, CHUNK = 1000 };
  static uint8_t chunk[CHUNK];
  struct mw_http_reader reader;
  mw_http_reader_init(&reader, SIZE);
  uint8_t prefix[MW_HTTP_PREFIX];
  mw_http_write_prefix(prefix, SIZE, false);
  assert_int_equal(mw_http_reader_feed(&reader, mw_slice(prefix, sizeof prefix)), 0);
  assert_int_equal(mw_http_reader_keep(&reader), 0);
  struct mw_slice message;
  for (size_t left = SIZE; left > 0;) {
    assert_int_equal(mw_http_reader_next(&reader, NULL, &message, NULL), MW_HTTP_READ_MORE);
    size_t len = left < CHUNK ? left : CHUNK;
    memset(chunk, (int)(left % 251), len);
    assert_int_equal(mw_http_reader_feed(&reader, mw_slice(chunk, len)), 0);
    assert_int_equal(mw_http_reader_keep(&reader), 0);
    left -= len;
    assert_true(reader.buf.cap <= 2 * reader.buf.len + 2048);
    assert_true(reader.buf.cap <= SIZE + MW_HTTP_PREFIX + 1);
  }
  assert_int_equal(mw_http_reader_next(&reader, NULL, &message, NULL), MW_HTTP_READ_MESSAGE);
  assert_int_equal(message.len, SIZE);
  for (size_t i = 0; i < SIZE; i++) assert_int_equal(message.data[i], (SIZE - i / CHUNK * CHUNK) % 251);
  assert_int_equal(mw_http_reader_credit(&reader), SIZE + MW_HTTP_PREFIX);
  mw_http_reader_fini(&reader);
}

/* Messages are taken as fast as they arrive, with some left over: the buffer keeps its size. */
static void does_not_grow_under_a_steady_stream(void **state) {
  struct mw_http_reader reader;
  struct mw_slice message;
  mw_http_reader_init(&reader, LIMIT);
  struct mw_buf bytes = MW_BUF_INIT;
  put_message(&bytes, false, mw_slice_str("some thirty bytes are in this."));
  for (size_t i = 0; i < 100000; i++) {
    assert_int_equal(mw_http_reader_feed(&reader, mw_buf_slice(&bytes)), 0);
    assert_int_equal(mw_http_reader_keep(&reader), 0);
    if (i < 100) continue;
    assert_int_equal(mw_http_reader_next(&reader, NULL, &message, NULL), MW_HTTP_READ_MESSAGE);
    assert_memory_equal(message.data, "some thirty", 11);
    assert_true(reader.buf.cap <= 4 * 101 * bytes.len);
  }
  mw_buf_fini(&bytes);
  mw_http_reader_fini(&reader);
}

static void takes_nothing_of_a_message_over_the_limit(void **state) {
  struct mw_http_reader reader;
  mw_http_reader_init(&reader, LIMIT);
  static uint8_t bytes[100];
  mw_http_write_prefix(bytes, LIMIT + 1, false);
  assert_int_equal(mw_http_reader_feed(&reader, mw_slice(bytes, sizeof bytes)), 0);
  assert_false(mw_http_reader_holds_one_message(&reader));
  struct mw_slice message;
  assert_int_equal(mw_http_reader_next(&reader, NULL, &message, NULL), MW_ELIMIT);
  assert_int_equal(reader.buf.cap, 0);
  assert_int_equal(mw_http_reader_credit(&reader), 0);
  mw_http_reader_fini(&reader);
}

static void keeps_a_small_buffer_for_the_next_stream(void **state) {
  static uint8_t bytes[100000];
  for (size_t len = 10; len <= sizeof bytes; len *= 10) {
    struct mw_http_reader reader;
    struct mw_slice message;
    mw_http_reader_init(&reader, sizeof bytes);
    mw_http_reader_set_compression(&reader, MW_COMPRESSION_GZIP);
    mw_http_write_prefix(bytes, sizeof bytes, true);
    assert_int_equal(mw_http_reader_feed(&reader, mw_slice(bytes, len)), 0);
    assert_int_equal(mw_http_reader_next(&reader, NULL, &message, NULL), MW_HTTP_READ_MORE);
    assert_int_equal(mw_http_reader_keep(&reader), 0);
    mw_http_reader_end(&reader);
    mw_http_reader_reset(&reader);
    assert_int_equal(reader.buf.cap > 0, len < 16 * 1024);
    assert_int_equal(mw_http_reader_held(&reader), 0);
    assert_int_equal(mw_http_reader_credit(&reader), 0);
    assert_false(mw_http_reader_holds_one_message(&reader));
    assert_int_equal(reader.compression, MW_COMPRESSION_IDENTITY);
    assert_int_equal(reader.limit, sizeof bytes);
    mw_http_reader_fini(&reader);
  }
}

/* ---- errors ---- */

static void refuses(void **state) {
  static const struct {
    const char *what;
    enum mw_compression compression;
    size_t len;
    const char *bytes;
    int code;
    const char *text;
  } cases[] = {
      {"a flag that is none", 0, 5, "\2\0\0\0\0", MW_EFORMAT, "message with the unknown flags 0x02"},
      {"flags, of which one is known", 2, 5, "\201\0\0\0\0", MW_EFORMAT, "message with the unknown flags 0x81"},
      {"compressed, but how", 0, 5, "\1\0\0\0\0", MW_EFORMAT,
       "compressed message, and no grpc-encoding in the headers"},
      {"not what the headers say", 2, 8, "\1\0\0\0\3abc", MW_EFORMAT, "compressed message is damaged"},
      {"one over the limit", 0, 5, "\0\0\0\3\351", MW_ELIMIT, "message longer than the limit of 1000 bytes"},
      {"as long as it can be", 0, 5, "\0\377\377\377\377", MW_ELIMIT, "message longer than the limit of 1000 bytes"},
      {"compressed and over the limit", 1, 5, "\1\0\0\3\351", MW_ELIMIT, "message longer than the limit of 1000 bytes"},
      {"ends within the prefix", 0, 1, "\0", MW_EFORMAT, "the stream has ended within a message"},
      {"ends behind the prefix", 0, 5, "\0\0\0\0\1", MW_EFORMAT, "the stream has ended within a message"},
      {"ends within the message", 0, 7, "\0\0\0\0\3ab", MW_EFORMAT, "the stream has ended within a message"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    for (size_t cut = 0; cut <= cases[i].len; cut++) {
      struct stream s;
      stream_init(&s, cases[i].compression);
      struct mw_slice message = mw_slice("untouched", 9);
      struct mw_err err = MW_ERR_INIT;
      mw_http_reader_feed(&s.reader, mw_slice(cases[i].bytes, cut));
      mw_http_reader_feed(&s.reader, mw_slice(cases[i].bytes + cut, cases[i].len - cut));
      mw_http_reader_end(&s.reader);
      int rc = mw_http_reader_next(&s.reader, &s.scratch, &message, &err);
      if (rc != cases[i].code) fail_msg("%s: %d", cases[i].what, rc);
      assert_string_equal(mw_err_text(&err), cases[i].text);
      assert_true(mw_slice_eq_str(message, "untouched"));
      mw_err_fini(&err);
      stream_fini(&s);
    }
  }
}

static void refuses_a_message_that_grows_over_the_limit(void **state) {
  static const uint8_t zeros[LIMIT + 1];
  for (size_t over = 0; over < 2; over++) {
    struct mw_buf payload = MW_BUF_INIT, bytes = MW_BUF_INIT;
    assert_int_equal(mw_compress(MW_COMPRESSION_GZIP, mw_slice(zeros, LIMIT + over), &payload, NULL), 0);
    put_message(&bytes, true, mw_buf_slice(&payload));
    struct stream s;
    stream_init(&s, MW_COMPRESSION_GZIP);
    struct mw_err err = MW_ERR_INIT;
    struct mw_slice message;
    assert_int_equal(mw_http_reader_feed(&s.reader, mw_buf_slice(&bytes)), 0);
    int rc = mw_http_reader_next(&s.reader, &s.scratch, &message, &err);
    assert_int_equal(rc, over ? MW_ELIMIT : MW_HTTP_READ_MESSAGE);
    assert_string_equal(mw_err_text(&err), over ? "message longer than the limit of 1000 bytes" : "no error");
    mw_err_fini(&err);
    stream_fini(&s);
    mw_buf_fini(&payload);
    mw_buf_fini(&bytes);
  }
}

static int read_without_memory(void *arg) {
  const struct mw_buf *bytes = arg;
  struct stream s;
  stream_init(&s, MW_COMPRESSION_GZIP);
  struct mw_err err = MW_ERR_INIT;
  int rc = 0;
  for (size_t at = 0; at < bytes->len && rc >= 0; at += 3) {
    rc = mw_http_reader_feed(&s.reader, mw_slice(bytes->data + at, bytes->len - at < 3 ? bytes->len - at : 3));
    struct mw_slice message;
    if (rc >= 0) rc = mw_http_reader_next(&s.reader, &s.scratch, &message, &err);
    if (rc == MW_HTTP_READ_MESSAGE) assert_true(mw_slice_eq_str(message, words[s.messages++]));
  }
  if (rc == MW_ENOMEM && err.text) assert_string_equal(mw_err_text(&err), "out of memory for a message");
  if (rc >= 0) assert_int_equal(s.messages, WORDS);
  mw_err_fini(&err);
  stream_fini(&s);
  return rc < 0 ? rc : 0;
}

static void does_without_memory(void **state) {
  struct mw_buf bytes = sequence(MW_COMPRESSION_GZIP);
  failmalloc_sweep(read_without_memory, &bytes);
  mw_buf_fini(&bytes);
}

/* ---- writing ---- */

static void writes_prefixes(void **state) {
  uint8_t prefix[MW_HTTP_PREFIX];
  mw_http_write_prefix(prefix, 0x01020304, false);
  assert_memory_equal(prefix, "\0\1\2\3\4", sizeof prefix);
  mw_http_write_prefix(prefix, UINT32_MAX, true);
  assert_memory_equal(prefix, "\1\377\377\377\377", sizeof prefix);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_messages_cut_anywhere),
      cmocka_unit_test(reads_byte_by_byte),
      cmocka_unit_test(does_not_copy_a_message_that_is_whole),
      cmocka_unit_test(credits_messages_that_next_was_called_for),
      cmocka_unit_test(grows_as_bytes_come),
      cmocka_unit_test(does_not_grow_under_a_steady_stream),
      cmocka_unit_test(takes_nothing_of_a_message_over_the_limit),
      cmocka_unit_test(keeps_a_small_buffer_for_the_next_stream),
      cmocka_unit_test(refuses),
      cmocka_unit_test(refuses_a_message_that_grows_over_the_limit),
      cmocka_unit_test(does_without_memory),
      cmocka_unit_test(writes_prefixes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
