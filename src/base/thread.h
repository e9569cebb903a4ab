/* Threads that a file system or a terminal may block for ever, and that are then detached. */
#ifndef MW_BASE_THREAD_H
#define MW_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct mw_thread;

/* Runs `run(arg)` on a thread of that name (at most 15 bytes). `release(arg)` runs once the thread has ended and
 * mw_thread_end() was called. Returns 0 and a thread, which mw_thread_end() frees, MW_EIO or MW_ENOMEM. */
int mw_thread_start(struct mw_thread **out, const char *name, void (*run)(void *arg), void (*release)(void *arg),
                    void *arg);

/* Waits at most `ns` nanoseconds for the thread to end. If it ends, releases `arg` and returns true; if not, returns
 * false, and the thread releases `arg` when it ends. */
bool mw_thread_end(struct mw_thread *thread, int64_t ns);

/* Initialises a condition whose waits go by the clock that nothing sets. */
void mw_condition_init(pthread_cond_t *condition);

/* Waits for the condition, under the lock, until mw_clock_real() is `due`. Returns false at that time; may return true
 * without a signal. */
bool mw_condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t due);

#endif
