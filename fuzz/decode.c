/* Any bytes become a message or an error within the memory budget. A message that is packed and unpacked again is the
 * same message. The first byte of an input chooses the type. */
#include <stdio.h>
#include <stdlib.h>

#include "schema/load/load.h"
#include "schema/wire/message.h"

enum { BUDGET = 1 << 20 };

static struct mw_pool *pool;

static const char *const types[] = {"every.Every", "legacy.Legacy", "wide.List", "google.protobuf.Struct"};

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  struct mw_err err = MW_ERR_INIT;
  if (mw_schema_load(&pool, FUZZ_PROTO_DIR, &err) == 0) return 0;
  fprintf(stderr, "%s\n", mw_err_text(&err));
  exit(1);
}

/* Unpacks and packs. protobuf-c must accept all bytes that the scan accepts. */
static int repack(const struct mw_message_type *type, struct mw_slice bytes, size_t budget, struct mw_buf *packed) {
  struct mw_arena arena;
  mw_arena_init(&arena, budget);
  ProtobufCMessage *message;
  struct mw_err err = MW_ERR_INIT;
  int code = mw_message_unpack(type, bytes, &arena, &message, &err);
  if (strstr(mw_err_text(&err), "refused by protobuf-c")) abort();
  if (code == 0) {
    if (mw_buf_reserve(packed, mw_message_size(message)) != 0) abort();
    packed->len = protobuf_c_message_pack(message, packed->data);
  }
  mw_err_fini(&err);
  mw_arena_fini(&arena);
  return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  const struct mw_message_type *type = mw_pool_message(pool, types[data[0] % 4]);
  struct mw_buf once = MW_BUF_INIT, twice = MW_BUF_INIT;
  if (repack(type, mw_slice(data + 1, size - 1), BUDGET, &once) == 0) {
    if (repack(type, mw_buf_slice(&once), SIZE_MAX, &twice) != 0) abort();
    if (!mw_slice_eq(mw_buf_slice(&once), mw_buf_slice(&twice))) abort();
  }
  mw_buf_fini(&once);
  mw_buf_fini(&twice);
  return 0;
}
