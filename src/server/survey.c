#include "server/survey.h"

#include <stdlib.h>

struct survey;

struct question {
  struct mw_post to_worker, to_home;
  struct survey *survey;
  struct mw_worker *worker;
};

struct survey {
  struct mw_loop *home;
  void (*ask)(void *arg, struct mw_worker *worker);
  void (*done)(void *arg);
  void *arg;
  unsigned waiting; /* for so many answers */
  struct question questions[];
};

static void on_answered(struct mw_post *post) {
  struct survey *survey = MW_CONTAINER(post, struct question, to_home)->survey;
  if (--survey->waiting > 0) return;
  survey->done(survey->arg);
  free(survey);
}

static void on_asked(struct mw_post *post) {
  struct question *question = MW_CONTAINER(post, struct question, to_worker);
  question->survey->ask(question->survey->arg, question->worker);
  mw_loop_post(question->survey->home, &question->to_home);
}

int mw_survey(const struct mw_crew *crew, void (*ask)(void *arg, struct mw_worker *worker), void (*done)(void *arg),
              void *arg) {
  unsigned n = crew->n_workers;
  struct survey *survey = malloc(sizeof *survey + n * sizeof *survey->questions);
  if (!survey) return MW_ENOMEM;
  *survey = (struct survey){.home = crew->home, .ask = ask, .done = done, .arg = arg, .waiting = n};
  for (unsigned i = 0; i < n; i++) {
    struct question *question = &survey->questions[i];
    *question = (struct question){{.run = on_asked}, {.run = on_answered}, survey, &crew->workers[i]};
    /* For one that has ended the answer is none; it is handed in like the others. */
    if (!mw_worker_post(question->worker, &question->to_worker)) mw_loop_post(crew->home, &question->to_home);
  }
  return 0;
}
