/* Frames with a fault: the errors that are found, and the bytes that nghttp2 gets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <nghttp2/nghttp2.h>

#include "engine/http/h2/frames.h"

enum { END = NGHTTP2_FLAG_END_STREAM, PRIO = NGHTTP2_FLAG_PRIORITY, PAD = NGHTTP2_FLAG_PADDED };
enum { MOST = 4096, FAULTS = 3, FRAMES = 6 };

struct frame {
  uint8_t type, flags;
  int32_t stream;
  size_t len;
  const char *payload; /* the first `n` bytes; the others are 0xff */
  size_t n;
};

struct expected {
  enum mw_http_scope scope;
  uint32_t error;
  int32_t stream;
};

#define HEADERS(FLAGS, STREAM) \
  { NGHTTP2_HEADERS, FLAGS, STREAM, 20, "", 0 }
#define DATA(FLAGS, STREAM, LEN) \
  { NGHTTP2_DATA, FLAGS, STREAM, LEN, "", 0 }
#define RESET(STREAM) \
  { NGHTTP2_RST_STREAM, 0, STREAM, 4, "", 0 }
#define WITH(TYPE, FLAGS, LEN, PAYLOAD) \
  { NGHTTP2_##TYPE, FLAGS, 1, LEN, PAYLOAD, sizeof(PAYLOAD) - 1 }
#define ONE "\x80\0\0\1"

/* If the connection must end, the last frame has the fault. */
static const struct {
  struct expected faults[FAULTS];
  struct frame frames[FRAMES];
} cases[] = {
    {{{0}}, {{NGHTTP2_SETTINGS, 0, 0, 0, "", 0}, HEADERS(0, 1), DATA(0, 1, 300), DATA(0, 1, 0), HEADERS(END, 1)}},
    {{{0}},
     {HEADERS(END, 1), WITH(WINDOW_UPDATE, 0, 4, "\0\0\0\1"), RESET(1), WITH(PRIORITY, 0, 5, "\0\0\0\0\0"),
      HEADERS(END, 3)}},
    {{{0}}, {HEADERS(END, 2), DATA(END, 2, 1), HEADERS(END, 2)}}, /* nghttp2 refuses these */
    {{{0}}, {DATA(END, 1, 1), DATA(END, 1, 1), HEADERS(0, 1), DATA(END, 1, 1)}},
    /* after RST_STREAM: once */
    {{{MW_HTTP_SCOPE_STREAM, NGHTTP2_STREAM_CLOSED, 1}},
     {HEADERS(0, 1), RESET(1), DATA(0, 1, 5), DATA(END, 1, 5), HEADERS(END, 1)}},
    {{{MW_HTTP_SCOPE_STREAM, NGHTTP2_STREAM_CLOSED, 1}}, {HEADERS(0, 1), RESET(1), HEADERS(0, 1), DATA(0, 1, 5)}},
    {{{MW_HTTP_SCOPE_STREAM, NGHTTP2_STREAM_CLOSED, 1}, {MW_HTTP_SCOPE_STREAM, NGHTTP2_STREAM_CLOSED, 3}},
     {HEADERS(0, 1), HEADERS(0, 3), RESET(1), RESET(3), DATA(0, 1, 5), DATA(0, 3, 5)}},
    {{{MW_HTTP_SCOPE_STREAM, NGHTTP2_STREAM_CLOSED, 1}}, {HEADERS(END, 1), RESET(1), HEADERS(END, 1)}},
    /* after END_STREAM */
    {{{MW_HTTP_SCOPE_STREAM, NGHTTP2_STREAM_CLOSED, 1}}, {HEADERS(END, 1), DATA(0, 1, 5), DATA(0, 1, 5)}},
    {{{MW_HTTP_SCOPE_EITHER, NGHTTP2_STREAM_CLOSED, 1}}, {HEADERS(END, 1), HEADERS(END, 1), DATA(0, 1, 1)}},
    {{{MW_HTTP_SCOPE_STREAM, NGHTTP2_STREAM_CLOSED, 1}},
     {HEADERS(0, 1), DATA(END, 1, 5), HEADERS(0, 3), DATA(0, 1, 0)}},
    /* of a stream whose id was skipped */
    {{{MW_HTTP_SCOPE_CONNECTION, NGHTTP2_STREAM_CLOSED, 3}}, {HEADERS(0, 5), DATA(0, 3, 5)}},
    {{{MW_HTTP_SCOPE_CONNECTION, NGHTTP2_PROTOCOL_ERROR, 3}}, {HEADERS(0, 5), HEADERS(0, 3)}},
    /* resets of streams that are not open yet */
    {{{0}}, {RESET(1), HEADERS(0, 1)}},
    {{{MW_HTTP_SCOPE_FRAME, NGHTTP2_NO_ERROR, 3}}, {HEADERS(0, 1), RESET(3), HEADERS(0, 5)}},
    {{{0}}, {HEADERS(0, 3), RESET(1), RESET(4)}},
    /* faults of the payload */
    {{{MW_HTTP_SCOPE_LIVE, NGHTTP2_PROTOCOL_ERROR, 1}}, {HEADERS(0, 1), WITH(WINDOW_UPDATE, 0, 4, "\x80\0\0\0")}},
    {{{0}}, {HEADERS(0, 1), WITH(WINDOW_UPDATE, 0, 4, "\0\0\0\1"), WITH(WINDOW_UPDATE, 0, 3, "\0\0\0")}},
    {{{MW_HTTP_SCOPE_EITHER, NGHTTP2_PROTOCOL_ERROR, 1}},
     {WITH(PRIORITY, 0, 5, ONE), WITH(PRIORITY, 0, 5, "\0\0\0\2")}},
    {{{MW_HTTP_SCOPE_EITHER, NGHTTP2_FRAME_SIZE_ERROR, 1}}, {WITH(PRIORITY, 0, 4, ONE), HEADERS(0, 1)}},
    {{{MW_HTTP_SCOPE_EITHER, NGHTTP2_FRAME_SIZE_ERROR, 1}}, {WITH(PRIORITY, 0, 6, ONE), HEADERS(0, 1)}},
    {{{MW_HTTP_SCOPE_OPENING, NGHTTP2_PROTOCOL_ERROR, 1}}, {WITH(HEADERS, PRIO, 20, ONE), DATA(0, 1, 1)}},
    {{{MW_HTTP_SCOPE_OPENING, NGHTTP2_PROTOCOL_ERROR, 1}}, {WITH(HEADERS, PRIO | PAD, 20, "\2" ONE), DATA(0, 1, 1)}},
    {{{0}}, {WITH(HEADERS, PRIO | PAD, 20, ONE), WITH(HEADERS, END, 20, ONE)}},
    {{{0}}, {WITH(HEADERS, PRIO, 4, ONE)}}, /* too short; nghttp2 refuses it */
};

static size_t write_frame(uint8_t *out, const struct frame *frame) {
  const uint8_t head[MW_HTTP_FRAME_HEAD] = {
      0, (uint8_t)(frame->len >> 8), (uint8_t)frame->len, frame->type, frame->flags, 0x80, 0,
      0, (uint8_t)frame->stream};
  memcpy(out, head, sizeof head);
  memset(out + sizeof head, 0xff, frame->len);
  memcpy(out + sizeof head, frame->payload, frame->n);
  return sizeof head + frame->len;
}

/* Returns the number of bytes. Sets `last` to the offset of the last frame. */
static size_t write_frames(uint8_t *out, const struct frame *frames, size_t *last) {
  size_t len = NGHTTP2_CLIENT_MAGIC_LEN;
  memcpy(out, NGHTTP2_CLIENT_MAGIC, len);
  for (size_t i = 0; i < FRAMES && frames[i].payload; i++) {
    *last = len;
    len += write_frame(out + len, &frames[i]);
  }
  return len;
}

struct seen {
  struct mw_http_fault faults[FAULTS];
  size_t n, len;
  uint8_t bytes[MOST]; /* bytes for nghttp2 */
};

/* Reads until a fault of the connection, in pieces of `piece` bytes. The memory of each piece is freed after its
 * use. */
static void read_all(struct seen *seen, const uint8_t *bytes, size_t len, size_t piece) {
  struct mw_http_frames frames;
  *seen = (struct seen){.n = 0};
  mw_http_frames_init(&frames);
  mw_http_flood_init(&frames.flood, 100, 100, 1000, 0);
  for (size_t at = 0; at < len; at += piece) {
    uint8_t copy[MOST];
    struct mw_slice rest = mw_slice(copy, len - at < piece ? len - at : piece);
    memcpy(copy, bytes + at, rest.len);
    while (!mw_http_frames_done(&frames, rest)) {
      struct mw_http_fault fault;
      struct mw_slice fine = mw_http_frames_next(&frames, &rest, &fault);
      memcpy(seen->bytes + seen->len, fine.data, fine.len);
      seen->len += fine.len;
      if (fault.scope == MW_HTTP_SCOPE_NONE) continue;
      assert_true(seen->n < FAULTS);
      seen->faults[seen->n++] = fault;
      if (fault.scope == MW_HTTP_SCOPE_CONNECTION) return;
    }
  }
}

/* With pieces of every size. */
static void frames_in_error_have_the_scope_of_the_rfc(void **state) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uint8_t bytes[MOST];
    size_t last = 0, len = write_frames(bytes, cases[i].frames, &last);
    for (size_t piece = 1; piece <= len; piece++) {
      struct seen seen;
      read_all(&seen, bytes, len, piece);
      bool connection = false;
      for (size_t j = 0; j < FAULTS; j++) {
        assert_int_equal(seen.faults[j].scope, cases[i].faults[j].scope);
        assert_int_equal(seen.faults[j].error, cases[i].faults[j].error);
        assert_int_equal(seen.faults[j].stream, cases[i].faults[j].stream);
        if (seen.faults[j].scope == MW_HTTP_SCOPE_CONNECTION) connection = true;
      }
      assert_int_equal(seen.len, connection ? last : len);
    }
  }
}

/* nghttp2 gets all other frames unchanged. */
static void frames_that_it_would_not_take_are_changed(void **state) {
  static const struct {
    struct frame frame;
    size_t at;
    const char *becomes;
    size_t len;
  } changes[] = {
      {WITH(PRIORITY, 0, 5, ONE), 9, "\0\0\0\0", 4},
      {WITH(PRIORITY, 0, 4, ONE), 3, "\xff", 1},
      {WITH(HEADERS, PRIO, 20, ONE), 9, "\0\0\0\0", 4},
      {WITH(HEADERS, PRIO | PAD, 20, "\2" ONE), 10, "\0\0\0\0", 4},
      {DATA(0, 1, 5), 0, "", 0},
      {RESET(1), 0, "", 0},
  };
  for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
    uint8_t bytes[MOST];
    size_t begin = NGHTTP2_CLIENT_MAGIC_LEN, len;
    memcpy(bytes, NGHTTP2_CLIENT_MAGIC, begin);
    len = begin + write_frame(bytes + begin, &changes[i].frame);
    for (size_t piece = 1; piece <= len; piece++) {
      struct seen seen;
      read_all(&seen, bytes, len, piece);
      uint8_t expected[MOST];
      memcpy(expected, bytes, len);
      memcpy(expected + begin + changes[i].at, changes[i].becomes, changes[i].len);
      assert_int_equal(seen.len, len);
      assert_memory_equal(seen.bytes, expected, len);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(frames_in_error_have_the_scope_of_the_rfc),
      cmocka_unit_test(frames_that_it_would_not_take_are_changed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
