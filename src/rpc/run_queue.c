#include "rpc/run_queue.h"

enum { SWEEP_NS = 5 * MW_NS_PER_MS, SWEEP_SHARE = 20, CREDIT_MOST = MW_RUN_TURN_NS / 2 };

void mw_run_queue_init(struct mw_run_queue *queue) {
  *queue = (struct mw_run_queue){0};
  mw_list_init(&queue->lanes);
  mw_run_lane_init(&queue->first, queue);
  mw_run_lane_init(&queue->expired, queue);
}

void mw_run_lane_init(struct mw_run_lane *lane, struct mw_run_queue *queue) {
  lane->queue = queue;
  mw_list_init(&lane->link);
  mw_list_init(&lane->ordered);
  mw_list_init(&lane->timed);
  lane->alternate = false;
}

static struct mw_run_item *item_at(struct mw_list *node) { return MW_CONTAINER(node, struct mw_run_item, link); }

static bool is_empty(const struct mw_run_lane *lane) {
  return mw_list_empty(&lane->ordered) && mw_list_empty(&lane->timed);
}

/* ---- items in and out ---- */

void mw_run_lane_add(struct mw_run_lane *lane, struct mw_run_item *item) {
  struct mw_run_queue *queue = lane->queue;
  if (mw_list_empty(&lane->link) && lane != &queue->first) mw_list_push(&queue->lanes, &lane->link);
  item->lane = lane;
  mw_list_push(item->deadline == MW_NEVER ? &lane->ordered : &lane->timed, &item->link);
  queue->n++;
}

void mw_run_item_remove(struct mw_run_item *item) {
  struct mw_run_lane *lane = item->lane;
  if (!lane) return;
  item->lane = NULL;
  mw_list_remove(&item->link);
  lane->queue->n--;
  if (is_empty(lane)) mw_list_remove(&lane->link);
}

/* True if the oldest request has waited more than half of its time. */
static bool is_late(const struct mw_run_item *oldest, int64_t now) {
  return now - oldest->arrived > (oldest->deadline - oldest->arrived) / 2;
}

/* Returns the next item of a lane that has one. */
static struct mw_run_item *choose(struct mw_run_lane *lane, int64_t now) {
  if (mw_list_empty(&lane->timed)) return item_at(lane->ordered.next);
  struct mw_run_item *oldest = item_at(lane->timed.next);
  struct mw_run_item *ordered = mw_list_empty(&lane->ordered) ? NULL : item_at(lane->ordered.next);
  if (!is_late(oldest, now)) return ordered && ordered->arrived <= oldest->arrived ? ordered : oldest;
  lane->alternate = !lane->alternate;
  return ordered && lane->alternate ? ordered : item_at(lane->timed.prev);
}

/* ---- running ---- */

static void run(struct mw_run_queue *queue, struct mw_run_item *item) {
  mw_run_item_remove(item);
  item->run(item);
  int64_t now = mw_clock_mono();
  queue->ran++;
  queue->spent += now - queue->now;
  queue->now = now;
}

/* Moves expired items to the lane `expired`; their engines end them. A search over many items takes time, so the
 * next one starts only after SWEEP_SHARE times that time. */
static void sweep(struct mw_run_queue *queue) {
  if (queue->now < queue->sweeps) return;
  for (struct mw_list *at = queue->lanes.next; at != &queue->lanes;) {
    struct mw_run_lane *lane = MW_CONTAINER(at, struct mw_run_lane, link);
    at = at->next;
    for (struct mw_list *node = lane->timed.next; node != &lane->timed;) {
      struct mw_run_item *item = item_at(node);
      node = node->next;
      if (item->deadline > queue->now) continue;
      mw_run_item_remove(item);
      mw_list_push(&queue->expired.timed, &item->link);
      item->lane = &queue->expired;
      queue->n++;
    }
  }
  int64_t now = mw_clock_mono(), pause = SWEEP_SHARE * (now - queue->now);
  queue->now = now;
  queue->sweeps = now + (pause > SWEEP_NS ? pause : SWEEP_NS);
}

/* Returns the next item of the lanes, which have one. */
static struct mw_run_item *next_item(struct mw_run_queue *queue) {
  struct mw_run_lane *lane = MW_CONTAINER(queue->lanes.next, struct mw_run_lane, link);
  mw_list_remove(&lane->link);
  mw_list_push(&queue->lanes, &lane->link);
  return choose(lane, queue->now);
}

static void run_first(struct mw_run_queue *queue) {
  while (!is_empty(&queue->first) && queue->spent_first < MW_RUN_TURN_NS / 2) {
    int64_t before = queue->now;
    run(queue, choose(&queue->first, before));
    queue->spent_first += queue->now - before;
  }
}

static void run_lanes(struct mw_run_queue *queue) {
  if (queue->began == 0) queue->began = queue->now;
  int64_t until = queue->began + MW_RUN_TURN_NS;
  for (;;) {
    bool waits = !mw_list_empty(&queue->lanes), late = !is_empty(&queue->expired);
    if (!waits && !late) return;
    queue->over = queue->now >= until;
    if (queue->over) return;
    int64_t before = queue->now;
    late = late && (!waits || queue->credit >= 0);
    run(queue, late ? item_at(queue->expired.timed.next) : next_item(queue));
    int64_t credit = queue->credit + (late ? before - queue->now : queue->now - before);
    queue->credit = credit < CREDIT_MOST ? credit : CREDIT_MOST;
  }
}

void mw_run_queue_run(struct mw_run_queue *queue) {
  if (queue->n == 0 || queue->now != 0) return;
  if (queue->over && is_empty(&queue->first)) return;
  queue->now = mw_clock_mono();
  run_first(queue);
  if (queue->behind && !queue->over) sweep(queue);
  if (!queue->over) run_lanes(queue);
  queue->now = 0;
}

void mw_run_queue_begin_turn(struct mw_run_queue *queue) {
  if (queue->ran > 0) {
    queue->ran_before = queue->ran;
    queue->spent_before = queue->spent;
  }
  queue->ran = 0;
  queue->spent = queue->spent_first = queue->began = 0;
  queue->over = false;
  queue->behind = queue->n > 0;
}

int64_t mw_run_queue_mean(const struct mw_run_queue *queue) {
  unsigned ran = queue->ran + queue->ran_before;
  return ran > 0 ? (queue->spent + queue->spent_before) / ran : 0;
}
