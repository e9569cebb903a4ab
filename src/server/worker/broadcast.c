#include "server/worker/broadcast.h"

#include <stdlib.h>

#include "base/clock.h"

/* One worker's part. */
struct question {
  struct mw_post to_worker, to_home;
  struct mw_broadcaster *broadcaster;
  struct mw_worker *worker;
};

struct mw_broadcaster {
  struct mw_workers workers;
  struct mw_broadcast what;
  void *arg;
  struct mw_timer *timer; /* NULL after `late` has run */
  unsigned missing;       /* number of answers */
  bool once;              /* frees itself after the broadcast */
  bool *answered;         /* for `late` */
  struct question questions[];
};

static void on_late(void *arg) {
  struct mw_broadcaster *b = arg;
  b->timer = NULL;
  b->what.late(b->arg, b->answered);
}

static void on_answered(struct mw_post *post) {
  struct question *question = MW_CONTAINER(post, struct question, to_home);
  struct mw_broadcaster *b = question->broadcaster;
  b->answered[question->worker->index] = true;
  if (--b->missing > 0) return;
  mw_timer_stop(b->timer);
  b->timer = NULL;
  bool once = b->once; /* `done` may start the next broadcast, or free the broadcaster */
  b->what.done(b->arg);
  if (once) mw_broadcaster_free(b);
}

static void on_asked(struct mw_post *post) {
  struct question *question = MW_CONTAINER(post, struct question, to_worker);
  question->broadcaster->what.ask(question->broadcaster->arg, question->worker);
  mw_loop_post(question->broadcaster->workers.home, &question->to_home);
}

struct mw_broadcaster *mw_broadcaster_new(const struct mw_workers *workers) {
  unsigned n = workers->n_workers;
  struct mw_broadcaster *b = calloc(1, sizeof *b + n * sizeof *b->questions);
  bool *answered = calloc(n, sizeof *answered);
  if (!b || !answered) {
    free(b);
    free(answered);
    return NULL;
  }
  b->workers = *workers;
  b->answered = answered;
  for (unsigned i = 0; i < n; i++) {
    b->questions[i] = (struct question){{.run = on_asked}, {.run = on_answered}, b, &workers->workers[i]};
  }
  return b;
}

void mw_broadcaster_free(struct mw_broadcaster *b) {
  if (!b) return;
  free(b->answered);
  free(b);
}

void mw_broadcaster_start(struct mw_broadcaster *b, const struct mw_broadcast *what, void *arg) {
  unsigned n = b->workers.n_workers;
  b->what = *what;
  b->arg = arg;
  b->missing = n;
  for (unsigned i = 0; i < n; i++) b->answered[i] = false;
  int64_t patience = MW_BROADCAST_TIMEOUT_MS * (int64_t)MW_NS_PER_MS;
  if (what->late) b->timer = mw_timer_start_real(b->workers.home, patience, on_late, b);
  for (unsigned i = 0; i < n; i++) {
    struct question *question = &b->questions[i];
    /* A worker that has ended gives an empty answer. */
    if (!mw_worker_post(question->worker, &question->to_worker)) mw_loop_post(b->workers.home, &question->to_home);
  }
}

unsigned mw_broadcaster_missing(const struct mw_broadcaster *b) { return b->missing; }

int mw_broadcast(const struct mw_workers *workers, const struct mw_broadcast *what, void *arg) {
  struct mw_broadcaster *b = mw_broadcaster_new(workers);
  if (!b) return MW_ENOMEM;
  b->once = true;
  mw_broadcaster_start(b, what, arg);
  return 0;
}
