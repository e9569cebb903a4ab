/* Free lists of small blocks. */
#include "base/blocks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_every_size_is_aligned_and_writable(void **state) {
  struct mw_blocks blocks = {0};
  void *held[600];
  for (size_t size = 1; size < 600; size++) {
    held[size] = mw_blocks_take(&blocks, size);
    assert_non_null(held[size]);
    assert_int_equal((uintptr_t)held[size] % 16, 0);
    memset(held[size], (int)(size & 0xff), size);
  }
  for (size_t size = 1; size < 600; size++) {
    assert_int_equal(((uint8_t *)held[size])[0], size & 0xff);
    assert_int_equal(((uint8_t *)held[size])[size - 1], size & 0xff);
    mw_blocks_release(&blocks, held[size], size);
  }
  mw_blocks_fini(&blocks);
}

static void test_a_resized_block_keeps_its_bytes(void **state) {
  static const size_t sizes[] = {1, 16, 17, 512, 513, 4096, 600, 100, 1};
  struct mw_blocks blocks = {0};
  size_t size = sizes[0];
  char *block = mw_blocks_take(&blocks, size);
  block[0] = 'x';
  for (size_t i = 1; i < sizeof sizes / sizeof *sizes; i++) {
    block = mw_blocks_resize(&blocks, block, size, sizes[i]);
    assert_non_null(block);
    assert_int_equal(block[0], 'x');
    size = sizes[i];
    block[size - 1] = 'x';
  }
  mw_blocks_release(&blocks, block, size);
  mw_blocks_release(&blocks, NULL, 16);
  mw_blocks_fini(&blocks);
}

static void test_what_lies_idle_is_bounded(void **state) {
  enum { COUNT = MW_BLOCKS_FREE_BYTES / 512 + 100 };
  static void *held[COUNT];
  struct mw_blocks blocks = {0};
  for (size_t i = 0; i < COUNT; i++) held[i] = mw_blocks_take(&blocks, 512);
  for (size_t i = 0; i < COUNT; i++) mw_blocks_release(&blocks, held[i], 512);
  assert_true(blocks.idle <= MW_BLOCKS_FREE_BYTES);
  mw_blocks_fini(&blocks);
  assert_int_equal(blocks.idle, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_size_is_aligned_and_writable),
      cmocka_unit_test(test_a_resized_block_keeps_its_bytes),
      cmocka_unit_test(test_what_lies_idle_is_bounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
