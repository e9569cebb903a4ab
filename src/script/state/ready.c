#include "script/state/ready.h"

#include "base/clock.h"

#define TURN_NS (5 * (int64_t)MW_NS_PER_MS)       /* for the work of a list in one turn */
#define LONG_TURN_NS (10 * (int64_t)MW_NS_PER_MS) /* jobs pause after a turn this long */

static void start_turn(struct mw_ready_queue *queue) {
  if (queue->posted || (mw_list_empty(&queue->calls) && (mw_list_empty(&queue->jobs) || queue->pause))) return;
  queue->posted = true;
  mw_loop_post(queue->loop, &queue->post);
}

/* Runs at least one unit of work. */
static void run_list(struct mw_list *list) {
  int64_t end = mw_clock_real() + TURN_NS;
  struct mw_list *node;
  while ((node = mw_list_shift(list)) != NULL) {
    struct mw_ready *ready = MW_CONTAINER(node, struct mw_ready, link);
    ready->run(ready);
    if (mw_clock_real() >= end) return;
  }
}

static void end_pause(void *arg) {
  struct mw_ready_queue *queue = arg;
  queue->pause = NULL;
  start_turn(queue);
}

/* Runs after jobs have run since `began`. With stopped clocks jobs do not pause, because a test then waits until all
 * work that needs no time is done. */
static void pause_jobs(struct mw_ready_queue *queue, int64_t began) {
  int64_t took = mw_clock_real() - began;
  if (took < LONG_TURN_NS || queue->loop->held || queue->pause) return;
  queue->pause = mw_timer_start_real(queue->loop, took, end_pause, queue);
}

static void run_jobs(struct mw_ready_queue *queue) {
  int64_t began = mw_clock_real();
  run_list(&queue->jobs);
  pause_jobs(queue, began);
}

static void run_turn(struct mw_post *post) {
  struct mw_ready_queue *queue = MW_CONTAINER(post, struct mw_ready_queue, post);
  queue->posted = false;
  run_list(&queue->calls);
  if (!queue->pause) run_jobs(queue);
  start_turn(queue);
}

void mw_ready_init(struct mw_ready_queue *queue, struct mw_loop *loop) {
  *queue = (struct mw_ready_queue){.loop = loop, .post.run = run_turn};
  mw_list_init(&queue->calls);
  mw_list_init(&queue->jobs);
}

void mw_ready_fini(struct mw_ready_queue *queue) {
  while (mw_list_shift(&queue->calls) || mw_list_shift(&queue->jobs)) continue;
  if (queue->posted) mw_loop_unpost(queue->loop, &queue->post);
  mw_timer_stop(queue->pause);
  queue->posted = false;
  queue->pause = NULL;
}

static struct mw_list *list_of(struct mw_ready_queue *queue, bool of_call) {
  return of_call ? &queue->calls : &queue->jobs;
}

void mw_ready_put(struct mw_ready_queue *queue, struct mw_ready *ready, bool of_call) {
  mw_list_push(list_of(queue, of_call), &ready->link);
  start_turn(queue);
}

static bool has_time(struct mw_ready_queue *queue, int64_t now) {
  uint64_t turn = uv_now(&queue->loop->uv);
  if (queue->until == 0 || turn != queue->turn) {
    queue->turn = turn;
    queue->until = now + TURN_NS;
  }
  return now < queue->until && now >= queue->rested;
}

bool mw_ready_run(struct mw_ready_queue *queue, struct mw_ready *ready, bool of_call) {
  bool paused = queue->pause && !of_call;
  int64_t began = mw_clock_real();
  if (paused || !mw_list_empty(list_of(queue, of_call)) || !has_time(queue, began)) {
    mw_ready_put(queue, ready, of_call);
    return false;
  }
  ready->run(ready);
  int64_t now = mw_clock_real();
  if (now - began >= TURN_NS) queue->rested = now + (now - began);
  if (!of_call) pause_jobs(queue, began);
  return true;
}
