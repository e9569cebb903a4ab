/* usage: codec
 *
 * Measures the codec of messages, in nanoseconds a message: the validating scan, unpacking with the scan, and
 * packing. */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "schema/load/load.h"
#include "schema/wire/message.h"
#include "schema/wire/scan.h"
#include "schema/wire/wire.h"

enum { ROUNDS = 5, LIST = 20 };

struct subject {
  const struct mw_message_type *type;
  struct mw_buf bytes, packed;
  struct mw_arena arena;
  ProtobufCMessage *message;
};

static void check(bool fine, const char *what) {
  if (fine) return;
  fprintf(stderr, "codec: %s failed\n", what);
  exit(1);
}

static void scan(struct subject *s) {
  struct mw_scan result;
  check(mw_scan(s->type, mw_buf_slice(&s->bytes), MW_WIRE_NUMBER_MAX, &result, NULL) == 0 && result.plain, "scan");
}

static void unpack(struct subject *s) {
  mw_arena_reset(&s->arena);
  check(mw_message_unpack(s->type, mw_buf_slice(&s->bytes), &s->arena, &s->message, NULL) == 0, "unpack");
}

static void pack(struct subject *s) {
  size_t size = mw_message_size(s->message);
  s->packed.len = 0;
  check(mw_buf_reserve(&s->packed, size) == 0, "reserve");
  mw_message_pack(s->message, s->packed.data);
}

/* Returns the best of some rounds of a tenth of a second: the least disturbed one. */
static double measure(void (*work)(struct subject *), struct subject *s) {
  double best = 1e9;
  for (int round = 0; round < ROUNDS; round++) {
    int64_t begin = mw_clock_mono(), now;
    long count = 0;
    do {
      for (int i = 0; i < 100; i++) work(s);
      count += 100;
      now = mw_clock_mono();
    } while (now - begin < MW_NS_PER_S / 10);
    double each = (double)(now - begin) / (double)count;
    if (each < best) best = each;
  }
  return best;
}

static void report(const char *name, struct subject *s) {
  mw_arena_init(&s->arena, 64 << 20);
  double scanning = measure(scan, s), unpacking = measure(unpack, s);
  printf("%-12s %5zu bytes: scan %6.0f ns, unpack %6.0f ns, pack %6.0f ns\n", name, s->bytes.len, scanning, unpacking,
         measure(pack, s));
  mw_arena_fini(&s->arena);
  mw_buf_fini(&s->packed);
}

static void put_text(struct mw_buf *out, unsigned number, const char *text) {
  check(mw_buf_printf(out, "%c%c%s", (int)(number << 3 | MW_WIRE_LEN), (int)strlen(text), text) == 0, "append");
}

static void put_task(struct mw_buf *out) {
  put_text(out, 1, "task-0001");
  put_text(out, 2, "Write the release notes");
  put_text(out, 3,
           "Everything that changed since the last release, for the people who use it, with a word on what to "
           "do about each change");
  check(mw_buf_puts(out, "\x20\x02\x28\x01\x30\x80\xc8\xaf\xb0\x06") == 0, "append");
}

static void put_list(struct mw_buf *out, const struct mw_buf *task) {
  for (int i = 0; i < LIST; i++) {
    check(mw_buf_printf(out, "\n%c\x01", (int)(task->len & 0x7f) | 0x80) == 0, "append");
    check(mw_buf_append(out, task->data, task->len) == 0, "append");
  }
}

int main(void) {
  struct mw_pool *pool;
  struct mw_err err = MW_ERR_INIT;
  if (mw_schema_load(&pool, BENCH_PROTO_DIR, &err) != 0) {
    fprintf(stderr, "codec: %s\n", mw_err_text(&err));
    return 1;
  }
  struct subject task = {.type = mw_pool_message(pool, "bench.Task")};
  struct subject list = {.type = mw_pool_message(pool, "bench.TaskList")};
  put_task(&task.bytes);
  put_list(&list.bytes, &task.bytes);
  report("task", &task);
  report("list of 20", &list);
  mw_buf_fini(&task.bytes);
  mw_buf_fini(&list.bytes);
  mw_pool_unref(pool);
  return 0;
}
