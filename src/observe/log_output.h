/* Where log lines go: stderr, written by the thread that logs or, once mw_log_start_writer() has run, by a thread of its
 * own.
 *
 * The writer takes lines from a queue of MW_LOG_QUEUE_BYTES, so that a stderr that nobody reads delays no thread. A full
 * queue drops lines until the writer has caught up; a line then states how many, and a metric counts them. Lines leave in
 * the order in which they were logged, whole, at most PIPE_BUF bytes of them in one write(2). Any thread. */
#ifndef MW_OBSERVE_LOG_OUTPUT_H
#define MW_OBSERVE_LOG_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "observe/metrics.h"

enum { MW_LOG_QUEUE_BYTES = 1 << 20 };

/* Writes or queues a line, which ends with a newline. Changes errno. */
void mw_log_output(const char *line, size_t len);

/* Shows every line, without its newline, to `tap`, one at a time, on the thread that logs; those for which it returns
 * true are not written. It must not log. NULL for nobody. */
void mw_log_set_tap(bool (*tap)(void *arg, const char *line, size_t len), void *arg);

/* Starts the writer's thread; it blocks all signals. `format_gap(out, size, dropped)` writes the line for `dropped` lines,
 * with its newline, and returns its length. A signal that ends the process by a fault or abort() lets the writer finish
 * first, for a second at most. Returns 0, or MW_EIO: lines are written as before. */
int mw_log_start_writer(size_t (*format_gap)(char *out, size_t size, uint64_t dropped));

/* Waits until the queue is empty, for `ns` nanoseconds at most. Returns whether it is. */
bool mw_log_flush(int64_t ns);

/* The same, and ends the writer. Lines are then written by the thread that logs again, or dropped when the queue did not
 * become empty: the writer's thread may wait for stderr for ever. */
bool mw_log_stop_writer(int64_t ns);

/* The counter of dropped lines; gets those dropped so far. NULL before it is freed. */
void mw_log_set_dropped_counter(struct mw_metric *counter);

#endif
