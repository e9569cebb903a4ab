#include "rpc/retry.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/clock.h"
#include "base/list.h"

static const double jitter = 0.2;

int64_t mw_retry_backoff(const struct mw_retry_policy *policy, unsigned n, double random) {
  double delay = (double)policy->initial_backoff, most = (double)policy->max_backoff;
  for (unsigned i = 1; i < n; i++) delay *= policy->multiplier;
  if (delay > most) delay = most;
  return mw_duration_from_ns(delay * (1 - jitter + 2 * jitter * random));
}

double mw_retry_random(void) {
  uint32_t random = UINT32_MAX / 2;
  uv_random(NULL, NULL, &random, sizeof random, 0, NULL);
  return (double)random / UINT32_MAX;
}

int64_t mw_retry_pushback(struct mw_slice value) {
  if (value.len == 0 || (value.len > 1 && value.data[0] == '0')) return -1;
  int64_t number = 0;
  for (size_t i = 0; i < value.len; i++) {
    uint8_t c = value.data[i];
    if (c < '0' || c > '9') return -1;
    number = number * 10 + (c - '0');
    if (number > INT32_MAX) return -1;
  }
  return number;
}

/* ---- throttling ---- */

enum { TOKEN = 1000 };

struct mw_throttle {
  struct mw_list link; /* in `throttles` until another replaces it */
  unsigned refs;       /* guarded by `lock` */
  struct mw_throttle_config numbers;
  _Atomic int tokens;
  char target[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct mw_list throttles = {&throttles, &throttles};

static struct mw_throttle *find(const char *target) {
  for (struct mw_list *node = throttles.next; node != &throttles; node = node->next) {
    struct mw_throttle *throttle = MW_CONTAINER(node, struct mw_throttle, link);
    if (strcmp(throttle->target, target) == 0) return throttle;
  }
  return NULL;
}

static struct mw_throttle *make(const char *target, struct mw_throttle_config numbers) {
  size_t size = strlen(target) + 1;
  struct mw_throttle *throttle = malloc(sizeof *throttle + size);
  if (!throttle) return NULL;
  *throttle = (struct mw_throttle){.numbers = numbers};
  atomic_init(&throttle->tokens, numbers.max);
  memcpy(throttle->target, target, size);
  mw_list_push(&throttles, &throttle->link);
  return throttle;
}

struct mw_throttle *mw_throttle_ref(const char *target, struct mw_throttle_config numbers) {
  pthread_mutex_lock(&lock);
  struct mw_throttle *throttle = find(target);
  if (throttle && (throttle->numbers.max != numbers.max || throttle->numbers.ratio != numbers.ratio)) {
    mw_list_remove(&throttle->link);
    throttle = NULL;
  }
  if (!throttle) throttle = make(target, numbers);
  if (throttle) throttle->refs++;
  pthread_mutex_unlock(&lock);
  return throttle;
}

void mw_throttle_unref(struct mw_throttle *throttle) {
  if (!throttle) return;
  pthread_mutex_lock(&lock);
  bool last = --throttle->refs == 0;
  if (last) mw_list_remove(&throttle->link);
  pthread_mutex_unlock(&lock);
  if (last) free(throttle);
}

static void add(struct mw_throttle *throttle, int by) {
  int now = atomic_load_explicit(&throttle->tokens, memory_order_relaxed), then;
  do {
    then = now + by < 0 ? 0 : now + by > throttle->numbers.max ? throttle->numbers.max : now + by;
  } while (!atomic_compare_exchange_weak_explicit(&throttle->tokens, &now, then, memory_order_relaxed,
                                                  memory_order_relaxed));
}

void mw_throttle_failed(struct mw_throttle *throttle) {
  if (throttle) add(throttle, -TOKEN);
}

void mw_throttle_succeeded(struct mw_throttle *throttle) {
  if (throttle) add(throttle, throttle->numbers.ratio);
}

bool mw_throttle_allows(const struct mw_throttle *throttle) {
  return !throttle || atomic_load_explicit(&throttle->tokens, memory_order_relaxed) > throttle->numbers.max / 2;
}
