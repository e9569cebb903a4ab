/* Any text becomes a message or an error within the memory budget. The JSON of a message is read back as the same
 * message. The first byte of an input chooses the type. */
#include <stdio.h>
#include <stdlib.h>

#include "schema/json/json.h"
#include "schema/load/load.h"

enum { BUDGET = 1 << 20 };

static struct mw_pool *pool;

static const char *const types[] = {"every.Every", "legacy.Legacy", "google.protobuf.Value", "google.protobuf.Any"};

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  struct mw_err err = MW_ERR_INIT;
  if (mw_schema_load(&pool, FUZZ_PROTO_DIR, &err) == 0) return 0;
  fprintf(stderr, "%s\n", mw_err_text(&err));
  exit(1);
}

/* Reads JSON and writes it again. Returns the code of the reading; `written` gets the code of the writing. */
static int rewrite(const struct mw_message_type *type, struct mw_slice text, size_t budget, struct mw_buf *out,
                   int *written) {
  struct mw_arena arena;
  struct mw_err err = MW_ERR_INIT;
  ProtobufCMessage *message;
  mw_arena_init(&arena, budget);
  int rc = mw_json_read(text, pool, type, NULL, &arena, &message, &err);
  if (rc == 0) *written = mw_json_write(out, pool, type, message, NULL, &err);
  mw_err_fini(&err);
  mw_arena_fini(&arena);
  return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0) return 0;
  const struct mw_message_type *type = mw_pool_message(pool, types[data[0] % 4]);
  struct mw_buf once = MW_BUF_INIT, twice = MW_BUF_INIT;
  int written = MW_EFORMAT, again = MW_EFORMAT;
  (void)rewrite(type, mw_slice(data + 1, size - 1), BUDGET, &once, &written);
  if (written == 0) {
    if (rewrite(type, mw_buf_slice(&once), SIZE_MAX, &twice, &again) != 0 || again != 0) abort();
    if (!mw_slice_eq(mw_buf_slice(&once), mw_buf_slice(&twice))) abort();
  }
  mw_buf_fini(&once);
  mw_buf_fini(&twice);
  return 0;
}
