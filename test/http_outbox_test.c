/* Messages that move into a batch: the bytes that leave, and when a message counts as sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "engine/http/h2/outbox.h"

struct fixture {
  struct mw_http_outbox outbox;
  struct mw_http_batch *batch;
  struct mw_buf expected, sent;
};

static int setup(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  f->batch = calloc(1, sizeof *f->batch);
  *state = f;
  return 0;
}

static int teardown(void **state) {
  struct fixture *f = *state;
  mw_http_outbox_clear(&f->outbox);
  mw_http_batch_free_spent(f->batch);
  mw_buf_fini(&f->expected);
  mw_buf_fini(&f->sent);
  free(f->batch);
  free(f);
  return 0;
}

static void expect(struct fixture *f, uint8_t flag, char fill, size_t size) {
  uint8_t prefix[MW_HTTP_PREFIX];
  mw_http_write_prefix(prefix, size, flag);
  mw_buf_append(&f->expected, prefix, sizeof prefix);
  for (size_t i = 0; i < size; i++) mw_buf_append(&f->expected, &fill, 1);
}

static void push(struct fixture *f, char fill, size_t size) {
  uint8_t *out = mw_http_outbox_reserve(&f->outbox, size, NULL);
  assert_non_null(out);
  memset(out, fill, size);
  mw_http_outbox_push(&f->outbox);
  expect(f, 0, fill, size);
}

/* Takes `len` bytes. Returns the number of messages that this completes. */
static uint32_t take(struct fixture *f, size_t len) {
  mw_http_batch_reset(f->batch);
  uint32_t completed = mw_http_outbox_take(&f->outbox, len, f->batch);
  assert_int_equal(f->batch->len, len);
  for (unsigned i = 0; i < f->batch->n; i++) mw_buf_append(&f->sent, f->batch->bufs[i].base, f->batch->bufs[i].len);
  mw_http_batch_free_spent(f->batch);
  return completed;
}

static void assert_all_sent(struct fixture *f) {
  assert_int_equal(f->outbox.bytes, 0);
  assert_int_equal(f->sent.len, f->expected.len);
  assert_memory_equal(f->sent.data, f->expected.data, f->sent.len);
}

static size_t count_blocks(const struct fixture *f) {
  size_t n = 0;
  for (const struct mw_http_block *block = f->outbox.first; block; block = block->next) n++;
  return n;
}

static void small_messages_share_a_block(void **state) {
  struct fixture *f = *state;
  for (int i = 0; i < 10; i++) push(f, (char)('a' + i), 20);
  assert_int_equal(f->outbox.bytes, 250);
  assert_int_equal(count_blocks(f), 2);
  assert_int_equal(take(f, 250), 10);
  assert_all_sent(f);
}

static void a_message_counts_when_its_last_byte_leaves(void **state) {
  struct fixture *f = *state;
  for (int i = 0; i < 5; i++) push(f, (char)('a' + i), 5);
  push(f, 'f', 0);
  for (size_t i = 1; i <= 55; i++) {
    bool last = i % 10 == 0 || i == 55;
    assert_int_equal(take(f, 1), last ? 1 : 0);
  }
  assert_all_sent(f);
}

static void sizes_mix_in_their_order(void **state) {
  static const size_t sizes[] = {0, 3000, 10, 987, 500, 1, 40000, 992, 2, 2};
  struct fixture *f = *state;
  size_t n = sizeof sizes / sizeof *sizes;
  for (size_t i = 0; i < n; i++) push(f, (char)('a' + i), sizes[i]);
  uint32_t completed = 0;
  while (f->outbox.bytes > 0) completed += take(f, f->outbox.bytes < 700 ? f->outbox.bytes : 700);
  assert_int_equal(completed, n);
  assert_all_sent(f);
}

static void messages_follow_one_that_is_half_sent(void **state) {
  struct fixture *f = *state;
  push(f, 'a', 10);
  push(f, 'b', 10);
  assert_int_equal(take(f, 22), 1);
  push(f, 'c', 10);
  assert_int_equal(take(f, 23), 2);
  push(f, 'd', 10);
  assert_int_equal(take(f, 15), 1);
  assert_all_sent(f);
}

static void a_reserved_message_may_be_reserved_again(void **state) {
  struct fixture *f = *state;
  mw_http_outbox_reserve(&f->outbox, 100, NULL);
  mw_http_outbox_reserve(&f->outbox, 5000, NULL);
  push(f, 'a', 10);
  mw_http_outbox_reserve(&f->outbox, 100, NULL);
  assert_int_equal(take(f, 15), 1);
  push(f, 'b', 10);
  assert_int_equal(take(f, 15), 1);
  assert_all_sent(f);
}

static void a_reserved_message_can_be_replaced_by_fewer_bytes(void **state) {
  struct fixture *f = *state;
  push(f, 'a', 10);
  push(f, 'b', 10);
  memset(mw_http_outbox_reserve(&f->outbox, 50, NULL), 'c', 50);
  struct mw_slice plain = mw_http_outbox_reserved(&f->outbox);
  assert_int_equal(plain.len, 50);
  assert_int_equal(plain.data[49], 'c');
  mw_http_outbox_replace(&f->outbox, mw_slice("zz", 2));
  mw_http_outbox_push(&f->outbox);
  expect(f, 1, 'z', 2);
  push(f, 'd', 10);
  assert_int_equal(take(f, f->outbox.bytes), 4);
  assert_all_sent(f);
}

static void a_message_can_be_made_elsewhere(void **state) {
  struct fixture *f = *state;
  push(f, 'a', 10);
  struct mw_http_block *message = mw_http_block_new(7);
  memset(message->bytes + MW_HTTP_PREFIX, 'b', 7);
  mw_http_outbox_reserve(&f->outbox, 100, NULL);
  mw_http_outbox_adopt(&f->outbox, message);
  mw_http_outbox_push(&f->outbox);
  expect(f, 0, 'b', 7);
  push(f, 'c', 10);
  assert_int_equal(take(f, f->outbox.bytes), 3);
  assert_all_sent(f);
}

static void the_first_can_be_in_an_arena(void **state) {
  struct fixture *f = *state;
  struct mw_arena arena;
  mw_arena_init(&arena, SIZE_MAX);
  memset(mw_http_outbox_reserve(&f->outbox, 10, &arena), 'a', 10);
  mw_http_outbox_push(&f->outbox);
  expect(f, 0, 'a', 10);
  push(f, 'b', 10);
  assert_int_equal(take(f, 30), 2);
  assert_all_sent(f);
  mw_arena_fini(&arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(small_messages_share_a_block, setup, teardown),
      cmocka_unit_test_setup_teardown(a_message_counts_when_its_last_byte_leaves, setup, teardown),
      cmocka_unit_test_setup_teardown(sizes_mix_in_their_order, setup, teardown),
      cmocka_unit_test_setup_teardown(messages_follow_one_that_is_half_sent, setup, teardown),
      cmocka_unit_test_setup_teardown(a_reserved_message_may_be_reserved_again, setup, teardown),
      cmocka_unit_test_setup_teardown(a_reserved_message_can_be_replaced_by_fewer_bytes, setup, teardown),
      cmocka_unit_test_setup_teardown(a_message_can_be_made_elsewhere, setup, teardown),
      cmocka_unit_test_setup_teardown(the_first_can_be_in_an_arena, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
