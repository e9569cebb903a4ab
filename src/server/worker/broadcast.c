#include "server/worker/broadcast.h"

#include <stdlib.h>

#include "base/clock.h"

struct survey;

struct question {
  struct mw_post to_worker, to_home;
  struct survey *survey;
  struct mw_worker *worker;
};

struct survey {
  struct mw_loop *home;
  struct mw_broadcast what;
  void *arg;
  struct mw_timer *timer; /* NULL after `late` has run */
  unsigned waiting;       /* number of missing answers */
  bool *answered;
  struct question questions[];
};

static void on_late(void *arg) {
  struct survey *survey = arg;
  survey->timer = NULL;
  survey->what.late(survey->arg, survey->answered);
}

static void on_answered(struct mw_post *post) {
  struct question *question = MW_CONTAINER(post, struct question, to_home);
  struct survey *survey = question->survey;
  survey->answered[question->worker->index] = true;
  if (--survey->waiting > 0) return;
  mw_timer_stop(survey->timer);
  survey->what.done(survey->arg);
  free(survey->answered);
  free(survey);
}

static void on_asked(struct mw_post *post) {
  struct question *question = MW_CONTAINER(post, struct question, to_worker);
  question->survey->what.ask(question->survey->arg, question->worker);
  mw_loop_post(question->survey->home, &question->to_home);
}

int mw_broadcast(const struct mw_workers *crew, const struct mw_broadcast *what, void *arg) {
  unsigned n = crew->n_workers;
  struct survey *survey = malloc(sizeof *survey + n * sizeof *survey->questions);
  bool *answered = calloc(n, sizeof *answered);
  if (!survey || !answered) {
    free(survey);
    free(answered);
    return MW_ENOMEM;
  }
  *survey = (struct survey){.home = crew->home, .what = *what, .arg = arg, .waiting = n, .answered = answered};
  int64_t patience = MW_BROADCAST_TIMEOUT_MS * (int64_t)MW_NS_PER_MS;
  if (what->late) survey->timer = mw_timer_start_real(crew->home, patience, on_late, survey);
  for (unsigned i = 0; i < n; i++) {
    struct question *question = &survey->questions[i];
    *question = (struct question){{.run = on_asked}, {.run = on_answered}, survey, &crew->workers[i]};
    /* A worker that has ended gives an empty answer. */
    if (!mw_worker_post(question->worker, &question->to_worker)) mw_loop_post(crew->home, &question->to_home);
  }
  return 0;
}
