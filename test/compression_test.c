/* Compression by name, both ways, in any number of pieces; the limit applies before memory is allocated. */
#include <dlfcn.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <zlib.h>

#include <cmocka.h>

#include "failmalloc.h"
#include "rpc/compression.h"

static const enum mw_compression all[] = {MW_COMPRESSION_IDENTITY, MW_COMPRESSION_DEFLATE, MW_COMPRESSION_GZIP};
static const enum mw_compression real[] = {MW_COMPRESSION_DEFLATE, MW_COMPRESSION_GZIP};

#define EACH(i, array) (size_t i = 0; i < sizeof(array) / sizeof *(array); i++)

static struct mw_buf compressed(enum mw_compression compression, struct mw_slice bytes) {
  struct mw_buf out = MW_BUF_INIT;
  assert_int_equal(mw_compress(compression, bytes, &out, NULL), 0);
  return out;
}

/* Returns `len` bytes that hardly compress, or zeros. */
static struct mw_buf bytes_of(size_t len, bool random) {
  struct mw_buf out = MW_BUF_INIT;
  assert_int_equal(mw_buf_reserve(&out, len), 0);
  uint32_t x = 1;
  for (size_t i = 0; i < len; i++) {
    x = x * 1664525 + 1013904223;
    out.data[out.len++] = random ? (uint8_t)(x >> 24) : 0;
  }
  return out;
}

static void assert_decompresses(enum mw_compression compression, const struct mw_slice *pieces, size_t count,
                                struct mw_slice expected) {
  struct mw_buf out = MW_BUF_INIT;
  assert_int_equal(mw_decompress(compression, pieces, count, expected.len, &out, NULL), 0);
  assert_true(mw_slice_eq(mw_buf_slice(&out), expected));
  mw_buf_fini(&out);
}

static void assert_refused(enum mw_compression compression, struct mw_slice bytes, size_t limit, int code,
                           const char *text) {
  struct mw_buf out = MW_BUF_INIT;
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(mw_decompress(compression, &bytes, 1, limit, &out, &err), code);
  assert_string_equal(mw_err_text(&err), text);
  assert_true(out.cap <= limit + 2);
  mw_err_fini(&err);
  mw_buf_fini(&out);
}

static void knows_names(void **state) {
  assert_string_equal(mw_compression_name(MW_COMPRESSION_IDENTITY), "identity");
  assert_string_equal(mw_compression_name(MW_COMPRESSION_DEFLATE), "deflate");
  assert_string_equal(mw_compression_name(MW_COMPRESSION_GZIP), "gzip");
  for
    EACH(i, all) assert_int_equal(mw_compression_find(mw_slice_str(mw_compression_name(all[i]))), all[i]);
  static const char *const unknown[] = {"", "br", "gzi", "gzipp", "GZIP", "zzip", "deflatf", "identitz", "x-gzip"};
  for
    EACH(i, unknown) assert_int_equal(mw_compression_find(mw_slice_str(unknown[i])), -1);
}

static void gives_back_what_it_was_given(void **state) {
  static const size_t sizes[] = {0, 1, 100, 16 * 1024, 16 * 1024 + 1, 300000};
  for
    EACH(i, sizes) {
      for (int random = 0; random < 2; random++) {
        struct mw_buf bytes = bytes_of(sizes[i], random);
      for
        EACH(k, all) {
          struct mw_buf packed = compressed(all[k], mw_buf_slice(&bytes));
          struct mw_slice piece = mw_buf_slice(&packed);
          assert_decompresses(all[k], &piece, 1, mw_buf_slice(&bytes));
          mw_buf_fini(&packed);
        }
      mw_buf_fini(&bytes);
      }
    }
}

static void appends_what_it_compresses(void **state) {
  for
    EACH(i, all) {
      struct mw_buf out = MW_BUF_INIT;
      assert_int_equal(mw_buf_puts(&out, "12345"), 0);
      assert_int_equal(mw_compress(all[i], mw_slice_str("a text"), &out, NULL), 0);
      assert_memory_equal(out.data, "12345", 5);
      struct mw_slice piece = mw_slice(out.data + 5, out.len - 5);
      assert_decompresses(all[i], &piece, 1, mw_slice_str("a text"));
      mw_buf_fini(&out);
    }
}

static void takes_any_pieces(void **state) {
  struct mw_slice text = mw_slice_str("the same words, the same words, and the same words again");
  for
    EACH(i, all) {
      struct mw_buf packed = compressed(all[i], text);
      for (size_t a = 0; a <= packed.len; a++) {
        for (size_t b = a; b <= packed.len; b++) {
          struct mw_slice pieces[] = {mw_slice(packed.data, a), mw_slice(packed.data + a, b - a), mw_slice(NULL, 0),
                                      mw_slice(packed.data + b, packed.len - b)};
          assert_decompresses(all[i], pieces, 4, text);
        }
      }
      mw_buf_fini(&packed);
    }
}

static void takes_nothing_as_an_empty_message(void **state) {
  struct mw_slice nothing = mw_slice(NULL, 0);
  for
    EACH(i, all) {
      assert_decompresses(all[i], NULL, 0, nothing);
      assert_decompresses(all[i], &nothing, 1, nothing);
    }
}

static void keeps_to_the_limit(void **state) {
  struct mw_buf zeros = bytes_of(1 << 20, false);
  for
    EACH(i, all) {
      struct mw_buf packed = compressed(all[i], mw_buf_slice(&zeros));
      assert_refused(all[i], mw_buf_slice(&packed), 0, MW_ELIMIT, "message longer than the limit of 0 bytes");
      assert_refused(all[i], mw_buf_slice(&packed), 1000, MW_ELIMIT, "message longer than the limit of 1000 bytes");
      assert_refused(all[i], mw_buf_slice(&packed), zeros.len - 1, MW_ELIMIT,
                     "message longer than the limit of 1048575 bytes");
      struct mw_buf out = MW_BUF_INIT;
      struct mw_slice piece = mw_buf_slice(&packed);
      assert_int_equal(mw_decompress(all[i], &piece, 1, SIZE_MAX, &out, NULL), 0);
      assert_int_equal(out.len, zeros.len);
      mw_buf_fini(&out);
      mw_buf_fini(&packed);
    }
  mw_buf_fini(&zeros);
}

static void refuses_what_is_damaged(void **state) {
  static const char damaged[] = "compressed message is damaged";
  for
    EACH(i, real) {
      struct mw_buf packed = compressed(real[i], mw_slice_str("the same words, the same words"));
      for (size_t len = 1; len < packed.len; len++) {
        assert_refused(real[i], mw_slice(packed.data, len), 1000, MW_EFORMAT, damaged);
      }
      enum mw_compression wrong = real[i] == MW_COMPRESSION_GZIP ? MW_COMPRESSION_DEFLATE : MW_COMPRESSION_GZIP;
      assert_refused(wrong, mw_buf_slice(&packed), 1000, MW_EFORMAT, damaged);
      assert_refused(real[i], mw_slice_str("no such thing"), 1000, MW_EFORMAT, damaged);
      packed.data[packed.len - 1] ^= 1; /* in the checksum or the length */
      assert_refused(real[i], mw_buf_slice(&packed), 1000, MW_EFORMAT, damaged);
      packed.data[packed.len - 1] ^= 1;
      assert_int_equal(mw_buf_putc(&packed, 0), 0);
      assert_refused(real[i], mw_buf_slice(&packed), 1000, MW_EFORMAT, damaged);
      struct mw_slice pieces[] = {mw_slice(packed.data, packed.len - 1), mw_slice(packed.data, 1)};
      struct mw_buf out = MW_BUF_INIT;
      assert_int_equal(mw_decompress(real[i], pieces, 2, 1000, &out, NULL), MW_EFORMAT);
      mw_buf_fini(&out);
      mw_buf_fini(&packed);
    }
}

static bool deflate_fails;

/* Replaces zlib's deflate() in this program. */
int deflate(z_streamp z, int flush) {
  int (*real)(z_streamp z, int flush) = (int (*)(z_streamp, int))dlsym(RTLD_NEXT, "deflate");
  return deflate_fails ? Z_OK : real(z, flush); /* Z_OK: the output is incomplete */
}

static void refuses_to_compress(enum mw_compression compression, struct mw_slice bytes, const char *words) {
  struct mw_buf out = MW_BUF_INIT;
  struct mw_err err = MW_ERR_INIT;
  assert_int_equal(mw_buf_append(&out, "before", 6), 0);
  assert_int_equal(mw_compress(compression, bytes, &out, &err), MW_ELIMIT);
  assert_string_equal(mw_err_text(&err), words);
  assert_string_equal(mw_buf_str(&out), "before");
  assert_int_equal(out.len, 6);
  mw_err_fini(&err);
  mw_buf_fini(&out);
}

static void says_what_it_cannot_compress(void **state) {
  for
    EACH(i, real) {
      refuses_to_compress(real[i], mw_slice("", UINT_MAX), "message of 4294967295 bytes cannot be compressed");
      refuses_to_compress(real[i], mw_slice("", SIZE_MAX / 2),
                          "message of 9223372036854775807 bytes cannot be compressed");
      deflate_fails = true;
      refuses_to_compress(real[i], mw_slice_str("a text"), "message of 6 bytes cannot be compressed");
      deflate_fails = false;
    }
}

static int there_and_back(void *arg) {
  enum mw_compression compression = *(enum mw_compression *)arg;
  struct mw_buf packed = MW_BUF_INIT, out = MW_BUF_INIT;
  struct mw_err err = MW_ERR_INIT;
  static const uint8_t zeros[100000];
  int rc = mw_compress(compression, mw_slice(zeros, sizeof zeros), &packed, &err);
  struct mw_slice piece = mw_buf_slice(&packed);
  if (rc == 0) rc = mw_decompress(compression, &piece, 1, sizeof zeros, &out, &err);
  assert_int_equal(err.code, rc);
  if (rc != 0 && err.text) assert_string_equal(mw_err_text(&err), "out of memory for a message");
  if (rc == 0) assert_int_equal(out.len, sizeof zeros);
  mw_err_fini(&err);
  mw_buf_fini(&packed);
  mw_buf_fini(&out);
  return rc;
}

static void does_without_memory(void **state) {
  for
    EACH(i, all) failmalloc_sweep(there_and_back, (void *)(uintptr_t)&all[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(knows_names),
      cmocka_unit_test(gives_back_what_it_was_given),
      cmocka_unit_test(appends_what_it_compresses),
      cmocka_unit_test(takes_any_pieces),
      cmocka_unit_test(takes_nothing_as_an_empty_message),
      cmocka_unit_test(keeps_to_the_limit),
      cmocka_unit_test(refuses_what_is_damaged),
      cmocka_unit_test(says_what_it_cannot_compress),
      cmocka_unit_test(does_without_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
