#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "bench/load/load.h"

/* A moment of the run, with the CPU time used so far. */
struct moment {
  int64_t at, server_cpu, own_cpu; /* nanoseconds */
};

enum { DRAIN_S = 10 };

static clockid_t server_clock;
static struct moment began;

static struct moment take_moment(void) {
  struct moment now = {.at = mw_clock_mono(), .own_cpu = mw_clock_read(CLOCK_PROCESS_CPUTIME_ID)};
  if (load.plan.server_pid) now.server_cpu = mw_clock_read(server_clock);
  return now;
}

static void begin_window(void) {
  memset(&load.counts, 0, sizeof load.counts);
  began = take_moment();
}

static void print_result(struct moment ended) {
  const struct load_counts *counts = &load.counts;
  const struct histogram *latency = &counts->latency;
  double seconds = (double)(ended.at - began.at) / MW_NS_PER_S;
  printf("{\"seconds\": %.6f, \"calls\": %llu, \"failed\": %llu, \"unfinished\": %llu, ", seconds,
         (unsigned long long)counts->calls, (unsigned long long)counts->failed, (unsigned long long)load.under_way);
  printf("\"sent\": %llu, \"received\": %llu, \"sent_bytes\": %llu, \"received_bytes\": %llu, ",
         (unsigned long long)counts->sent, (unsigned long long)counts->received, (unsigned long long)counts->sent_bytes,
         (unsigned long long)counts->received_bytes);
  printf("\"server_cpu\": %.6f, \"load_cpu\": %.6f, ", (double)(ended.server_cpu - began.server_cpu) / MW_NS_PER_S,
         (double)(ended.own_cpu - began.own_cpu) / MW_NS_PER_S);
  printf("\"p50_us\": %.2f, \"p90_us\": %.2f, \"p99_us\": %.2f, \"p999_us\": %.2f, \"max_us\": %.2f, ",
         histogram_us(latency, 0.5), histogram_us(latency, 0.9), histogram_us(latency, 0.99),
         histogram_us(latency, 0.999), (double)latency->max / 1e3);
  printf("\"why\": \"");
  for (const char *c = load.why; *c; c++) putchar(*c == '"' || *c == '\\' ? '\'' : *c);
  printf("\"}\n");
  fflush(stdout);
}

static void on_time(uv_timer_t *timer) { *(bool *)timer->data = true; }

/* Runs the loop for `seconds`, or until `*until` is 0; `until` may be NULL. */
static void wait_for(double seconds, const uint64_t *until) {
  bool over = false;
  uv_timer_t timer = {.data = &over};
  uv_timer_init(&load.loop.uv, &timer);
  uv_timer_start(&timer, on_time, (uint64_t)(seconds * 1e3), 0);
  while (!over && !(until && *until == 0)) uv_run(&load.loop.uv, UV_RUN_ONCE);
  uv_close((uv_handle_t *)&timer, NULL);
  uv_run(&load.loop.uv, UV_RUN_NOWAIT);
}

/* ---- closed loop: a call begins as another ends ---- */

static void on_done_next(struct load_conn *conn) {
  if (!load.stopping) load_call(conn, mw_clock_mono());
}

/* Begins to publish once all subscriptions have been answered. */
static void publish(void) {
  uint64_t n = (uint64_t)load.plan.connections * (uint64_t)load.plan.streams;
  int64_t end = mw_clock_mono() + DRAIN_S * (int64_t)MW_NS_PER_S;
  while (load.answered < n && mw_clock_mono() < end) uv_run(&load.loop.uv, UV_RUN_ONCE);
  if (load.answered < n) {
    fprintf(stderr, "load: %llu of %llu subscriptions were answered\n", (unsigned long long)load.answered,
            (unsigned long long)n);
    exit(1);
  }
  load_publish(n);
  h2_flush(&load.loop);
}

static struct moment run_closed(void) {
  load.on_done = on_done_next;
  for (int i = 0; i < load.plan.connections * load.plan.streams; i++) {
    load_call(&load.conns[i % load.plan.connections], mw_clock_mono());
  }
  h2_flush(&load.loop);
  if (load.plan.publish_path) publish();
  wait_for(load.plan.warm, NULL);
  begin_window();
  wait_for(load.plan.seconds, NULL);
  return take_moment();
}

/* ---- open loop: calls begin at a fixed rate ---- */

static void on_done_nothing(struct load_conn *conn) {}

/* Begins calls when they are due. It spins, because a timer is too coarse. Latency counts from the time at which a call
 * is due. Calls that are due together share a connection, and so a write. */
static void pace(double seconds) {
  static int next_conn;
  int64_t start = mw_clock_mono(), end = start + (int64_t)(seconds * MW_NS_PER_S);
  double step = MW_NS_PER_S / load.plan.rate;
  uint64_t begun = 0;
  for (int64_t now = start; now < end; now = mw_clock_mono()) {
    int64_t due;
    for (; (due = start + (int64_t)((double)begun * step)) <= now; begun++) load_call(&load.conns[next_conn], due);
    next_conn = (next_conn + 1) % load.plan.connections;
    h2_flush(&load.loop);
    uv_run(&load.loop.uv, UV_RUN_NOWAIT);
  }
}

static struct moment run_paced(void) {
  load.on_done = on_done_nothing;
  pace(load.plan.warm);
  begin_window();
  pace(load.plan.seconds);
  return take_moment();
}

/* ---- idle connections ---- */

static struct moment run_hold(void) {
  char byte;
  load.on_done = on_done_nothing;
  begin_window();
  for (int i = 0; i < load.plan.connections; i++) {
    load_call(&load.conns[i], mw_clock_mono());
    h2_flush(&load.loop);
    wait_for(DRAIN_S, &load.under_way);
  }
  struct moment ended = take_moment();
  print_result(ended);
  while (fread(&byte, 1, 1, stdin) == 1) continue;
  return ended;
}

int load_run(void) {
  h2_loop_init(&load.loop);
  if (load.plan.server_pid && clock_getcpuclockid(load.plan.server_pid, &server_clock) != 0) {
    fprintf(stderr, "load: no process %d\n", load.plan.server_pid);
    return 1;
  }
  load_connect();
  if (load.plan.hold) {
    run_hold();
  } else {
    struct moment ended = load.plan.rate > 0 ? run_paced() : run_closed();
    struct load_counts counts = load.counts;
    load.stopping = true;
    if (!load.plan.cancel) wait_for(DRAIN_S, &load.under_way);
    if (load.plan.rate == 0) {
      counts.failed = load.counts.failed;
      load.counts = counts;
    }
    print_result(ended);
  }
  return load.counts.failed > 0 || (load.under_way > 0 && !load.plan.cancel) ? 1 : 0;
}
