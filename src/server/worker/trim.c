#include "server/worker/trim.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "script/state/collect.h"

enum {
  PERIOD_NS = 2 * MW_NS_PER_S,
  GROWTH = 32 * 1024 * 1024, /* bytes of growth since the last trim that justify another */
  IDLE_SHARE = 4,            /* a process that uses less than this fraction of a processor is idle */
  WORK_NS = MW_NS_PER_S / 4, /* processor time since the last trim that may have left as much garbage */
  COST_SHARE = 10            /* trims use at most this fraction of a processor */
};

struct mw_trim {
  struct mw_workers workers;
  struct mw_timer *timer;              /* timer of the next check */
  struct mw_metric *resident, *topics; /* NULL without memory */
  size_t floor;                        /* least private resident bytes since the last trim */
  int64_t looked, busy;                /* clock time and processor time of the last check */
  int64_t begun, done;                 /* processor time at the start and the end of the last trim */
  int64_t next;                        /* earliest time of the next trim */
  bool started;                        /* the workers have started to collect */
  bool asking, stopped;                /* both set: freed when the workers have answered */
  atomic_uint collecting;              /* workers that are still collecting */
};

/* Reads the resident bytes, in all and without those that files back. Zeros if the system does not report them. */
static void read_resident(size_t *all, size_t *own) {
  size_t pages = 0, shared = 0, page = (size_t)sysconf(_SC_PAGESIZE);
  FILE *file = fopen("/proc/self/statm", "re");
  if (file && fscanf(file, "%*s %zu %zu", &pages, &shared) != 2) pages = shared = 0;
  if (file) fclose(file);
  *all = pages * page;
  *own = (pages - shared) * page;
}

static struct mw_metric *open_gauge(const struct mw_trim *trim, const char *name, const char *help) {
  const struct mw_metric_definition gauge = {.kind = MW_METRIC_GAUGE, .name = name, .help = help};
  return mw_metrics_open(trim->workers.workers[0].shared->metrics, &gauge, NULL);
}

static void show(const struct mw_trim *trim, size_t resident) {
  if (trim->resident) mw_metric_set(trim->resident, (double)resident);
  if (trim->topics) mw_metric_set(trim->topics, (double)mw_topics_bytes(trim->workers.workers[0].shared->topics));
}

/* True if the process was idle since the last check. */
static bool is_idle(struct mw_trim *trim) {
  int64_t now = mw_clock_real(), busy = mw_clock_read(CLOCK_PROCESS_CPUTIME_ID);
  bool idle = busy - trim->busy < (now - trim->looked) / IDLE_SHARE;
  trim->looked = now;
  trim->busy = busy;
  return idle;
}

/* Memory in use at the last trim may be free by now without growth, so processor time counts too. */
static bool is_worthwhile(const struct mw_trim *trim, size_t own) {
  return own >= trim->floor + GROWTH || (own >= GROWTH && trim->busy - trim->done >= WORK_NS);
}

static void look(void *arg);

static void wait(struct mw_trim *trim) {
  trim->timer = mw_timer_start_real(trim->workers.home, PERIOD_NS, look, trim); /* without memory, checks end */
}

/* On a worker's thread. */
static void ask(void *arg, struct mw_worker *worker) {
  struct mw_trim *trim = arg;
  if (!trim->started) mw_collect_start(&worker->vm);
  if (worker->vm.cycles > 0) atomic_fetch_add(&trim->collecting, 1);
}

static void on_answered(void *arg) {
  struct mw_trim *trim = arg;
  trim->asking = false;
  if (trim->stopped) {
    free(trim);
    return;
  }
  trim->started = true;
  if (atomic_load(&trim->collecting) == 0) {
    size_t all;
    malloc_trim(0);
    read_resident(&all, &trim->floor);
    show(trim, all);
    trim->started = false;
    is_idle(trim); /* the trim's own processor time is not load */
    trim->done = trim->busy;
    trim->next = trim->looked + (trim->done - trim->begun) * COST_SHARE;
  }
  wait(trim);
}

static void look(void *arg) {
  struct mw_trim *trim = arg;
  size_t all, own;
  trim->timer = NULL;
  read_resident(&all, &own);
  show(trim, all);
  if (own < trim->floor) trim->floor = own;
  bool due = trim->started || (is_idle(trim) && trim->looked >= trim->next && is_worthwhile(trim, own));
  if (due && !trim->started) trim->begun = trim->busy;
  atomic_store(&trim->collecting, 0);
  static const struct mw_broadcast broadcast = {.ask = ask, .done = on_answered};
  trim->asking = due && mw_broadcast(&trim->workers, &broadcast, trim) == 0;
  if (!trim->asking) wait(trim);
}

struct mw_trim *mw_trim_start(const struct mw_workers *workers) {
  struct mw_trim *trim = calloc(1, sizeof *trim);
  if (!trim) return NULL;
  size_t all;
  trim->workers = *workers;
  read_resident(&all, &trim->floor);
  trim->resident = open_gauge(trim, "moonwire_resident_bytes", "Resident memory of the process.");
  trim->topics = open_gauge(trim, "moonwire_topic_bytes", "Values in topics that subscribers have not received.");
  show(trim, all);
  is_idle(trim);
  trim->done = trim->busy;
  wait(trim);
  return trim;
}

void mw_trim_stop(struct mw_trim *trim) {
  if (!trim) return;
  mw_timer_stop(trim->timer);
  trim->stopped = true;
  if (!trim->asking) free(trim);
}
