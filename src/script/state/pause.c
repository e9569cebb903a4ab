#include "script/state/pause.h"

#include <stdio.h>

#include "base/clock.h"
#include "observe/log.h"

#define FIRST (1 * (int64_t)MW_NS_PER_S)
#define LONGEST (60 * (int64_t)MW_NS_PER_S)

void mw_pause_init(struct mw_pause *pause, struct mw_ready_queue *queue) {
  *pause = (struct mw_pause){.queue = queue};
  mw_list_init(&pause->held);
}

void mw_pause_stop(struct mw_pause *pause) {
  struct mw_ready_queue *queue = pause->queue;
  mw_timer_stop(pause->timer);
  while (mw_list_shift(&pause->held)) continue;
  mw_pause_init(pause, queue);
}

bool mw_pause_hold(struct mw_pause *pause, struct mw_ready *job) {
  pause->trying = pause->trial == job;
  if (!pause->on || pause->trying) return false;
  mw_list_push(&pause->held, &job->link);
  return true;
}

/* Starts all held jobs. */
static void release(struct mw_pause *pause) {
  struct mw_list *node;
  pause->on = false;
  while ((node = mw_list_shift(&pause->held)) != NULL) {
    mw_ready_put(pause->queue, MW_CONTAINER(node, struct mw_ready, link), false);
  }
}

static void begin_trial(void *arg) {
  struct mw_pause *pause = arg;
  struct mw_list *node = mw_list_shift(&pause->held);
  pause->timer = NULL;
  if (!node) {
    pause->on = false;
    return;
  }
  struct mw_ready *job = MW_CONTAINER(node, struct mw_ready, link);
  pause->trial = job;
  mw_ready_put(pause->queue, job, false);
}

static void begin(struct mw_pause *pause) {
  int64_t length = pause->length > 0 ? 2 * pause->length : FIRST;
  pause->length = length < LONGEST ? length : LONGEST;
  pause->timer = mw_timer_start_real(pause->queue->loop, pause->length, begin_trial, pause);
  pause->on = pause->timer != NULL;
  if (!pause->on) return;
  pause->until = mw_clock_real() + pause->length;
  struct mw_log_field fields[] = {{"at", pause->place}, {NULL, NULL}};
  mw_log(MW_LOG_WARN, fields, "jobs of this generation pause for %.0f s: too many were cut, the last one here",
         (double)pause->length / MW_NS_PER_S);
}

void mw_pause_count(struct mw_pause *pause, const char *place) {
  if (!place) {
    if (pause->excess > 0) pause->excess--;
    return;
  }
  snprintf(pause->place, sizeof pause->place, "%s", place);
  if (pause->trying) {
    pause->excess = MW_PAUSE_CUTS; /* others may have ended well meanwhile */
  } else if (pause->excess < MW_PAUSE_CUTS) {
    pause->excess++;
  }
  if (pause->excess == MW_PAUSE_CUTS && !pause->timer) begin(pause);
}

void mw_pause_end_trial(struct mw_pause *pause, const struct mw_ready *job) {
  pause->trying = false;
  if (pause->trial != job) return;
  pause->trial = NULL;
  if (pause->timer) return; /* it was cut */
  pause->excess = MW_PAUSE_CUTS / 2;
  pause->length /= 2;
  mw_log(MW_LOG_INFO, NULL, "jobs of this generation go on");
  release(pause);
}

void mw_pause_forget(struct mw_pause *pause, struct mw_ready *job) {
  mw_ready_remove(job);
  if (pause->trial != job || pause->trying) return;
  pause->trial = NULL;
  if (!pause->timer) release(pause);
}
