/* Frames that come too late, or never should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <nghttp2/nghttp2.h>

#include "engine/http/frames.h"

enum { END = NGHTTP2_FLAG_END_STREAM, MOST = 4096 };

struct frame {
  uint8_t type, flags;
  int32_t stream;
  size_t len;
};

#define HEADERS(FLAGS, STREAM) {NGHTTP2_HEADERS, FLAGS, STREAM, 20}
#define DATA(FLAGS, STREAM, LEN) {NGHTTP2_DATA, FLAGS, STREAM, LEN}
#define RESET(STREAM) {NGHTTP2_RST_STREAM, 0, STREAM, 4}

static const struct {
  uint32_t error;
  struct frame frames[6]; /* the last is the one in error */
} cases[] = {
    {0, {{NGHTTP2_SETTINGS, 0, 0, 0}, HEADERS(0, 1), DATA(0, 1, 300), DATA(0, 1, 0), HEADERS(END, 1)}},
    {0, {HEADERS(END, 1), {NGHTTP2_WINDOW_UPDATE, 0, 1, 4}, RESET(1), {NGHTTP2_PRIORITY, 0, 1, 5}, HEADERS(END, 3)}},
    {0, {HEADERS(END, 2), DATA(END, 2, 1), HEADERS(END, 2)}}, /* nghttp2's to refuse */
    {0, {DATA(END, 1, 1), DATA(END, 1, 1), HEADERS(0, 1), DATA(END, 1, 1)}},
    {NGHTTP2_STREAM_CLOSED, {HEADERS(END, 1), DATA(0, 1, 5)}},
    {NGHTTP2_STREAM_CLOSED, {HEADERS(END, 1), HEADERS(END, 1)}},
    {NGHTTP2_STREAM_CLOSED, {HEADERS(0, 1), DATA(END, 1, 5), HEADERS(0, 3), DATA(0, 1, 0)}},
    {NGHTTP2_STREAM_CLOSED, {HEADERS(0, 1), RESET(1), DATA(0, 1, 5)}},
    {NGHTTP2_STREAM_CLOSED, {HEADERS(0, 1), RESET(1), HEADERS(0, 1)}},
    {NGHTTP2_STREAM_CLOSED, {HEADERS(0, 5), DATA(0, 3, 5)}},
    {NGHTTP2_PROTOCOL_ERROR, {HEADERS(0, 5), HEADERS(0, 3)}},
};

/* Returns the number of bytes; `last` gets where the last frame begins. */
static size_t write_frames(uint8_t *out, const struct frame *frames, size_t *last) {
  size_t len = NGHTTP2_CLIENT_MAGIC_LEN;
  memcpy(out, NGHTTP2_CLIENT_MAGIC, len);
  for (size_t i = 0; i < 6 && frames[i].stream + (int)frames[i].type > 0; i++) {
    const struct frame *frame = &frames[i];
    uint32_t stream = (uint32_t)frame->stream;
    const uint8_t head[MW_HTTP_FRAME_HEAD] = {0, (uint8_t)(frame->len >> 8), (uint8_t)frame->len, frame->type,
                                              frame->flags, 0x80, 0, 0, (uint8_t)stream};
    *last = len;
    memcpy(out + len, head, sizeof head);
    memset(out + len + sizeof head, 0xff, frame->len);
    len += sizeof head + frame->len;
  }
  return len;
}

/* Whatever the pieces that they come in. */
static void frames_of_streams_that_are_over_are_errors(void **state) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uint8_t bytes[MOST];
    size_t last = 0, len = write_frames(bytes, cases[i].frames, &last);
    for (size_t piece = 1; piece <= len; piece++) {
      struct mw_http_frames frames;
      mw_http_frames_init(&frames);
      mw_http_flood_init(&frames.flood, 100, 100, 1000, 0);
      uint32_t error = NGHTTP2_NO_ERROR;
      size_t fine = 0;
      for (size_t at = 0; at < len && error == NGHTTP2_NO_ERROR; at += piece) {
        size_t there = len - at < piece ? len - at : piece;
        size_t n = mw_http_frames_check(&frames, mw_slice(bytes + at, there), &error);
        fine += n;
        if (error == NGHTTP2_NO_ERROR) assert_int_equal(n, there);
      }
      assert_int_equal(error, cases[i].error);
      if (error == NGHTTP2_NO_ERROR) {
        assert_int_equal(fine, len);
      } else {
        assert_in_range(fine, last, last + MW_HTTP_FRAME_HEAD - 1);
      }
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(frames_of_streams_that_are_over_are_errors)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
