/* Threads that may wait for ever, for a file system or a terminal, and are then left to themselves. */
#ifndef MW_BASE_THREAD_H
#define MW_BASE_THREAD_H

#include <stdbool.h>
#include <stdint.h>

struct mw_thread;

/* Runs `run(arg)` on a thread of that name (at most 15 bytes). Returns 0 and a thread, which mw_thread_end() frees, MW_EIO
 * or MW_ENOMEM. `release(arg)` runs once both have ended: the thread, and whoever started it. */
int mw_thread_start(struct mw_thread **out, const char *name, void (*run)(void *arg), void (*release)(void *arg),
                    void *arg);

/* Waits for its end, for `ns` nanoseconds at most. Returns whether it has ended: if so, `arg` is released; if not, the thread
 * releases it when it ends. */
bool mw_thread_end(struct mw_thread *thread, int64_t ns);

#endif
