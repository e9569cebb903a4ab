/* Format: https://www.w3.org/TR/trace-context-1/, section 3.2: version "-" trace-id "-" parent-id "-" trace-flags,
 * in lower-case hex. Random bytes are fetched in batches, because many calls need some. */
#include "observe/trace.h"

#include <sys/random.h>

#include "base/clock.h"

enum { TRACEPARENT_LEN = 55, BATCH = 256 };

static _Thread_local uint8_t batch[BATCH];
static _Thread_local size_t batch_left;

/* Makes distinct ids where no randomness is available, as in a sandbox that forbids getrandom(). */
static void refill_from_clock(void) {
  uint64_t x = (uint64_t)mw_clock_wall() ^ (uint64_t)(uintptr_t)batch;
  for (size_t i = 0; i < BATCH; i++) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    batch[i] = (uint8_t)(x >> 56);
  }
}

static uint8_t random_byte(void) {
  if (batch_left == 0) {
    if (getrandom(batch, BATCH, GRND_NONBLOCK) != BATCH) refill_from_clock();
    batch_left = BATCH;
  }
  return batch[--batch_left];
}

static bool all_zero(const char *hex, size_t len) {
  for (size_t i = 0; i < len; i++) {
    if (hex[i] != '0') return false;
  }
  return true;
}

static int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

static bool is_hex(const char *text, size_t len) {
  for (size_t i = 0; i < len; i++) {
    if (digit(text[i]) < 0) return false;
  }
  return true;
}

/* A later version may be longer, with a dash after the flags; version ff is forbidden. */
static bool is_traceparent(struct mw_slice header) {
  if (header.len < TRACEPARENT_LEN) return false;
  const char *h = (const char *)header.data;
  bool first = memcmp(h, "00", 2) == 0;
  if (header.len > TRACEPARENT_LEN && (first || h[TRACEPARENT_LEN] != '-')) return false;
  return is_hex(h, 2) && memcmp(h, "ff", 2) != 0 && h[2] == '-' && is_hex(h + 3, 32) && !all_zero(h + 3, 32) &&
         h[35] == '-' && is_hex(h + 36, 16) && !all_zero(h + 36, 16) && h[52] == '-' && is_hex(h + 53, 2);
}

bool mw_trace_read_id(struct mw_slice traceparent, char out[MW_TRACE_ID_LEN + 1]) {
  if (!is_traceparent(traceparent)) return false;
  memcpy(out, traceparent.data + 3, MW_TRACE_ID_LEN);
  out[MW_TRACE_ID_LEN] = '\0';
  return true;
}

void mw_trace_new_id(char out[MW_TRACE_ID_LEN + 1]) {
  static const char hex[] = "0123456789abcdef";
  do {
    for (size_t i = 0; i < MW_TRACE_ID_LEN; i += 2) {
      uint8_t byte = random_byte();
      out[i] = hex[byte >> 4];
      out[i + 1] = hex[byte & 15];
    }
  } while (all_zero(out, MW_TRACE_ID_LEN)); /* an all-zero id is invalid */
  out[MW_TRACE_ID_LEN] = '\0';
}
