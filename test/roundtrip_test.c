/* Random messages, the same in each run: protoc must read the same from them before and after unpacking and packing,
 * and must refuse the messages that unpacking refuses. */
#include "codec_support.h"
#include "random_message.h"

#include "schema/wire/wire.h"
#include "schema/wire/write.h"

enum { BATCHES = 16, BATCH = 25, DAMAGED = 150 };

static void survive(const char *package, const char *item) {
  char many[40], one[40];
  snprintf(many, sizeof many, "%s.Many", package);
  snprintf(one, sizeof one, "%s.%s", package, item);
  struct mw_pool *pool = codec_pool(package);
  random_seed(20240229);
  for (int batch = 0; batch < BATCHES; batch++) {
    struct mw_buf bytes = MW_BUF_INIT;
    for (int i = 0; i < BATCH; i++) {
      struct mw_buf message = MW_BUF_INIT;
      random_message(&message, codec_type(pool, one));
      mw_wire_put_tag(&bytes, 1, MW_WIRE_LEN);
      mw_wire_put_varint(&bytes, message.len);
      mw_buf_append(&bytes, mw_buf_str(&message), message.len);
      mw_buf_fini(&message);
    }
    assert_same_meaning(codec_type(pool, many), mw_buf_slice(&bytes));
    mw_buf_fini(&bytes);
  }
  mw_pool_unref(pool);
}

static void random_proto3_messages_keep_their_meaning(void **state) { survive("every", "Every"); }
static void random_proto2_messages_keep_their_meaning(void **state) { survive("legacy", "Legacy"); }

static void damaged_messages_are_refused_where_protoc_refuses_them(void **state) {
  struct mw_pool *pool = codec_pool("every");
  const struct mw_message_type *type = codec_type(pool, "every.Leaf");
  random_seed(19720229);
  int refused = 0;
  for (int i = 0; i < DAMAGED; i++) {
    struct mw_buf bytes = MW_BUF_INIT, theirs = MW_BUF_INIT, ours = MW_BUF_INIT;
    random_message(&bytes, type);
    random_damage(&bytes);
    int code = protoc("decode", type->full_name, mw_buf_slice(&bytes), &theirs);
    struct mw_err err = MW_ERR_INIT;
    if (code == 0) {
      assert_same_meaning(type, mw_buf_slice(&bytes));
    } else if (repack(type, mw_buf_slice(&bytes), &ours, &err) == 0) {
      fail_msg("message %d is refused by protoc only", i);
    } else {
      refused++;
    }
    mw_err_fini(&err);
    mw_buf_fini(&bytes);
    mw_buf_fini(&theirs);
    mw_buf_fini(&ours);
  }
  assert_in_range(refused, DAMAGED / 10, DAMAGED * 9 / 10);
  mw_pool_unref(pool);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(random_proto3_messages_keep_their_meaning),
      cmocka_unit_test(random_proto2_messages_keep_their_meaning),
      cmocka_unit_test(damaged_messages_are_refused_where_protoc_refuses_them),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
