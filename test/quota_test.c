/* Buffers and arenas with a quota: bytes taken, returned, and refused. */
#include "base/quota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"

enum { LIMIT = 64 * 1024 };

static void a_quota_is_taken_up_to_its_limit(void **state) {
  struct mw_quota quota = {.limit = LIMIT, .used = 24}; /* 24 bytes are Lua's */
  assert_true(mw_quota_reserve(&quota, LIMIT - 24));
  assert_false(mw_quota_reserve(&quota, 1));
  assert_true(mw_quota_reserve(&quota, 0));
  assert_int_equal(quota.outside, LIMIT - 24);
  mw_quota_release(&quota, LIMIT - 24);
  assert_false(mw_quota_reserve(&quota, SIZE_MAX));
  assert_int_equal(quota.used, 24);
  assert_int_equal(quota.outside, 0);
  quota.used = LIMIT + 1; /* the limit was lowered */
  assert_false(mw_quota_reserve(&quota, 1));
  quota.limit = 0;
  assert_true(mw_quota_reserve(&quota, LIMIT));
  assert_true(mw_quota_reserve(NULL, SIZE_MAX));
  mw_quota_release(NULL, 1);
}

static void a_buffer_counts_what_it_allocates(void **state) {
  struct mw_quota quota = {.limit = LIMIT};
  struct mw_buf buf = {.quota = &quota};
  static char bytes[LIMIT / 4];
  assert_int_equal(mw_buf_append(&buf, bytes, sizeof bytes), 0);
  assert_int_equal(quota.outside, buf.cap);
  assert_int_equal(mw_buf_append(&buf, bytes, sizeof bytes - 1), 0);
  assert_int_equal(quota.outside, buf.cap);
  size_t len = buf.len, cap = buf.cap;
  assert_int_equal(mw_buf_reserve(&buf, LIMIT), MW_ENOMEM);
  assert_int_equal(buf.len, len);
  assert_int_equal(quota.outside, cap);
  mw_buf_fini(&buf);
  assert_int_equal(quota.outside, 0);
  assert_int_equal(mw_buf_putc(&buf, 'x'), 0); /* after fini it counts as before */
  assert_int_equal(quota.outside, buf.cap);
  mw_buf_fini(&buf);
}

static void an_arena_counts_its_blocks(void **state) {
  struct mw_quota quota = {.limit = LIMIT};
  struct mw_arena arena;
  mw_arena_init(&arena, SIZE_MAX);
  arena.quota = &quota;
  assert_non_null(mw_arena_alloc(&arena, 1));
  size_t first = quota.outside;
  assert_true(first > 0);
  assert_non_null(mw_arena_alloc(&arena, LIMIT / 2));
  assert_true(quota.outside >= first + LIMIT / 2);
  assert_null(mw_arena_alloc(&arena, LIMIT / 2));
  assert_false(mw_arena_over(&arena));
  mw_arena_reset(&arena);
  assert_int_equal(quota.outside, first);
  assert_non_null(mw_arena_alloc(&arena, LIMIT / 2));
  mw_arena_fini(&arena);
  assert_int_equal(quota.outside, 0);
  assert_non_null(mw_arena_alloc(&arena, 1));
  assert_int_equal(quota.outside, first);
  mw_arena_fini(&arena);
  assert_int_equal(quota.used, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_quota_is_taken_up_to_its_limit),
      cmocka_unit_test(a_buffer_counts_what_it_allocates),
      cmocka_unit_test(an_arena_counts_its_blocks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
