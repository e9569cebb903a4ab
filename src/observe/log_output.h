/* Output of log lines to stderr, by the thread that logs or, after mw_log_start_writer(), by a writer thread.
 *
 * The writer takes lines from a queue of MW_LOG_QUEUE_BYTES, so that a blocked stderr delays no thread. A full queue
 * drops lines until the writer has caught up; a line then reports their number, and a metric counts them. Lines are
 * written in the order they were logged, whole, at most PIPE_BUF bytes of them in one write(2). Any thread. */
#ifndef MW_OBSERVE_LOG_OUTPUT_H
#define MW_OBSERVE_LOG_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "observe/metrics.h"

enum { MW_LOG_QUEUE_BYTES = 1 << 20 };

/* Writes or queues a line that ends with a newline. Changes errno. */
void mw_log_output(const char *line, size_t len);

/* Passes every line, without its newline, to `tap`, one at a time, on the thread that logs. A line for which `tap`
 * returns true is not written. `tap` must not log. NULL removes it. */
void mw_log_set_tap(bool (*tap)(void *arg, const char *line, size_t len), void *arg);

/* Starts the writer thread, which blocks all signals. `format_gap(out, size, dropped)` writes the line that reports
 * `dropped` lines, with its newline, and returns its length. On a fatal signal, the process waits at most one second
 * for the writer to finish. Returns 0, or MW_EIO: the threads that log go on writing the lines. */
int mw_log_start_writer(size_t (*format_gap)(char *out, size_t size, uint64_t dropped));

/* Waits at most `ns` nanoseconds until the queue is empty. Returns true if it is. */
bool mw_log_flush(int64_t ns);

/* Flushes like mw_log_flush() and ends the writer. If the queue is empty, the threads that log write the lines
 * again. If not, the writer may be blocked by stderr for ever: it is detached and later lines are dropped. */
bool mw_log_stop_writer(int64_t ns);

/* Sets the counter of dropped lines and adds those dropped so far. Set NULL before the counter is freed. */
void mw_log_set_dropped_counter(struct mw_metric *counter);

#endif
