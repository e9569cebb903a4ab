/* The queue consists of two buffers: threads append to one while the writer writes the other; then they swap. A
 * buffer without room for a line accepts no more lines until the swap, so that all lines dropped in between are
 * consecutive.
 *
 * Threads signal the writer only while it sleeps. Before it sleeps the writer waits NAP_NS and checks once more, so
 * that threads that log often wake it at most once in that time. */
#include "observe/log_output.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"

enum { BUFFER = MW_LOG_QUEUE_BYTES / 2, NAP_NS = MW_NS_PER_MS, MAX_GAP = 512 };

/* The route of lines to stderr. */
enum mode {
  DIRECT, /* the thread that logs writes them */
  QUEUED,
  CLOSED /* lines are dropped: the writer did not finish in time */
};

static struct {
  pthread_mutex_t lock; /* guards the rest; in DIRECT mode it also keeps lines longer than PIPE_BUF whole */
  pthread_cond_t wake, written;
  pthread_t thread;
  enum mode mode;
  char buffers[2][BUFFER];
  unsigned filling; /* the buffer that threads append to */
  size_t len;       /* bytes in `filling` */
  uint64_t missing; /* lines dropped since `filling` ran full */
  uint64_t dropped; /* dropped lines that `counter` does not include */
  bool busy;        /* the other buffer is being written */
  bool asleep, hurried, ending;
  struct mw_metric *counter; /* NULL for none */
  bool (*tap)(void *arg, const char *line, size_t len);
  void *tap_arg;
  size_t (*format_gap)(char *out, size_t size, uint64_t dropped);
  atomic_size_t unwritten; /* bytes in both buffers; read without the lock by a signal handler */
} output = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void lock(void) { pthread_mutex_lock(&output.lock); }
static void unlock(void) { pthread_mutex_unlock(&output.lock); }

void mw_log_set_tap(bool (*tap)(void *arg, const char *line, size_t len), void *arg) {
  lock();
  output.tap = tap;
  output.tap_arg = arg;
  unlock();
}

/* Adds to the count of dropped lines. Under the lock. */
static void count_dropped(uint64_t lines) {
  if (output.counter) {
    mw_metric_add(output.counter, (double)lines);
  } else {
    output.dropped += lines;
  }
}

void mw_log_set_dropped_counter(struct mw_metric *counter) {
  lock();
  output.counter = counter;
  uint64_t before = output.dropped;
  if (counter) output.dropped = 0;
  if (counter && before > 0) count_dropped(before);
  unlock();
}

/* ---- writing ---- */

/* Writes to stderr, which may be non-blocking. Returns the number of bytes written. */
static size_t write_all(const char *data, size_t len) {
  size_t done = 0;
  while (done < len) {
    ssize_t n = write(STDERR_FILENO, data + done, len - done);
    if (n > 0) {
      done += (size_t)n;
    } else if (n < 0 && errno == EAGAIN) {
      poll(&(struct pollfd){.fd = STDERR_FILENO, .events = POLLOUT}, 1, -1);
    } else if (n == 0 || errno != EINTR) {
      break;
    }
  }
  return done;
}

/* Returns the length of the whole lines at the start of `data` that fit into PIPE_BUF; at least one line. */
static size_t next_chunk(const char *data, size_t len) {
  if (len <= PIPE_BUF) return len;
  const char *end = memrchr(data, '\n', PIPE_BUF);
  if (!end) end = memchr(data, '\n', len);
  return end ? (size_t)(end - data) + 1 : len;
}

static uint64_t count_lines(const char *data, size_t len) {
  uint64_t lines = 0;
  for (const char *end = data + len; (data = memchr(data, '\n', (size_t)(end - data))) != NULL; data++) lines++;
  return lines;
}

/* Writes the lines of a buffer, up to the first failure. Returns the number of lines not written; sets `torn` if the
 * first of them was partly written. */
static uint64_t write_lines(const char *data, size_t len, bool *torn) {
  while (len > 0) {
    size_t chunk = next_chunk(data, len), done = write_all(data, chunk);
    if (done < chunk) {
      *torn = done > 0 && data[done - 1] != '\n';
      return count_lines(data + done, len - done);
    }
    atomic_fetch_sub(&output.unwritten, chunk);
    data += chunk;
    len -= chunk;
  }
  return 0;
}

/* State of the writer between two buffers. */
struct gap {
  uint64_t missing; /* lines not reported yet */
  bool torn;        /* the first of them was partly written */
};

/* Writes the line that reports the missing lines. Returns true if none is left to report. */
static bool report_gap(struct gap *gap) {
  if (gap->missing == 0) return true;
  char line[MAX_GAP];
  line[0] = '\n';
  size_t len = 1 + output.format_gap(line + 1, sizeof line - 1, gap->missing);
  size_t start = gap->torn ? 0 : 1;
  if (write_all(line + start, len - start) < len - start) return false;
  *gap = (struct gap){0};
  return true;
}

/* Writes a buffer, after which `dropped` lines are missing. Returns the number of its lines that were lost. */
static uint64_t write_buffer(struct gap *gap, const char *data, size_t len, uint64_t dropped) {
  uint64_t lost = report_gap(gap) ? write_lines(data, len, &gap->torn) : count_lines(data, len);
  gap->missing += lost + dropped;
  report_gap(gap);
  return lost;
}

/* ---- the writer's thread ---- */

static void sleep_until_lines(void) {
  output.asleep = true;
  while (output.len == 0 && output.missing == 0 && !output.ending) pthread_cond_wait(&output.wake, &output.lock);
  output.asleep = false;
}

static void nap(void) {
  int64_t due = mw_time_add(mw_clock_real(), NAP_NS);
  while (output.len < BUFFER / 2 && !output.hurried && !output.ending &&
         mw_condition_wait(&output.wake, &output.lock, due)) {
    continue;
  }
}

static void *thread_main(void *unused) {
  struct gap gap = {0};
  lock();
  for (;;) {
    sleep_until_lines();
    if (output.len == 0 && output.missing == 0) break;
    const char *data = output.buffers[output.filling];
    size_t len = output.len;
    uint64_t missing = output.missing;
    output.filling ^= 1;
    output.len = 0;
    output.missing = 0;
    output.busy = true;
    unlock();
    uint64_t lost = write_buffer(&gap, data, len, missing);
    lock();
    if (lost > 0) {
      atomic_store(&output.unwritten, output.len);
      count_dropped(lost);
    }
    output.busy = false;
    if (output.len == 0) pthread_cond_broadcast(&output.written);
    nap();
  }
  unlock();
  return NULL;
}

/* ---- fatal signals ---- */

/* Waits without the lock, which the faulting thread may hold. */
static void on_fault(int number, siginfo_t *info, void *context) {
  for (int64_t due = mw_clock_real() + MW_NS_PER_S; atomic_load(&output.unwritten) > 0 && mw_clock_real() < due;) {
    nanosleep(&(struct timespec){.tv_nsec = MW_NS_PER_MS}, NULL);
  }
  if (info->si_code <= 0) raise(number); /* sent by kill() or raise(); a real fault recurs by itself */
}

/* Keeps the handlers of sanitizers. */
static void watch_faults(void) {
  static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
  struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | (int)SA_RESETHAND}, before;
  sigemptyset(&action.sa_mask);
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    if (sigaction(numbers[i], NULL, &before) != 0 || before.sa_handler != SIG_DFL) continue;
    sigaction(numbers[i], &action, NULL);
  }
}

/* ---- public functions ---- */

static void init_conditions(void) {
  mw_condition_init(&output.wake);
  mw_condition_init(&output.written);
}

int mw_log_start_writer(size_t (*format_gap)(char *out, size_t size, uint64_t dropped)) {
  sigset_t all, before;
  lock();
  init_conditions();
  output.format_gap = format_gap;
  output.ending = output.hurried = false;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  bool started = pthread_create(&output.thread, NULL, thread_main, NULL) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (started) pthread_setname_np(output.thread, "log");
  if (started) output.mode = QUEUED;
  unlock();
  if (started) watch_faults();
  return started ? 0 : MW_EIO;
}

/* Under the lock. */
static bool flush(int64_t ns) {
  int64_t due = mw_time_add(mw_clock_real(), ns);
  output.hurried = true;
  pthread_cond_signal(&output.wake);
  bool in_time = true;
  while (in_time && (output.len > 0 || output.busy)) in_time = mw_condition_wait(&output.written, &output.lock, due);
  output.hurried = false;
  return output.len == 0 && !output.busy;
}

bool mw_log_flush(int64_t ns) {
  lock();
  bool empty = output.mode != QUEUED || flush(ns);
  unlock();
  return empty;
}

bool mw_log_stop_writer(int64_t ns) {
  lock();
  bool runs = output.mode == QUEUED, empty = !runs || flush(ns);
  if (runs) output.mode = CLOSED;
  output.ending = true;
  if (runs) pthread_cond_signal(&output.wake);
  unlock();
  if (!runs) return true;
  if (!empty) {
    pthread_detach(output.thread);
    return false;
  }
  pthread_join(output.thread, NULL);
  lock();
  output.mode = DIRECT;
  unlock();
  return true;
}

/* Appends a line to the queue. Under the lock. */
static void enqueue(const char *line, size_t len) {
  if (output.mode == CLOSED || output.missing > 0 || len > BUFFER - output.len) {
    output.missing++;
    count_dropped(1);
    return;
  }
  memcpy(output.buffers[output.filling] + output.len, line, len);
  output.len += len;
  atomic_fetch_add(&output.unwritten, len);
  if (output.asleep || (output.len >= BUFFER / 2 && output.len - len < BUFFER / 2)) pthread_cond_signal(&output.wake);
}

void mw_log_output(const char *line, size_t len) {
  lock();
  bool taken = output.tap && output.tap(output.tap_arg, line, len - 1);
  if (!taken && output.mode == DIRECT) {
    write_all(line, len);
  } else if (!taken) {
    enqueue(line, len);
  }
  unlock();
}
