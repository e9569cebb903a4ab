/* SIGINT of `moonwire call`.
 *
 * While the loop runs, the first SIGINT is an event of the loop. Any other ends the process at once: the second one,
 * and one that arrives while no loop could handle it, because a file is opened, protoc runs or a connection closes. */
#ifndef MW_CLI_CALL_INTERRUPT_H
#define MW_CLI_CALL_INTERRUPT_H

#include "loop/loop.h"

/* Handles SIGINT from now on: `on_interrupt(arg)` runs on the loop. `code` is the exit code of a process that SIGINT
 * ends. Call it once, on the thread of the loop. Returns 0 or MW_EIO. */
int mw_interrupt_open(struct mw_loop *loop, void (*on_interrupt)(void *arg), void *arg, int code, struct mw_err *err);

/* Runs the loop as uv_run() does. Not from within the loop. */
void mw_interrupt_run_loop(struct mw_loop *loop, uv_run_mode mode);

#endif
