/* The signals of `moonwire serve`, and the time by which it has ended.
 *
 * A thread of its own takes SIGTERM, SIGINT and SIGHUP, and waits for nothing else: not for the control loop, not for a
 * disk, not for who reads the log. The first SIGTERM or SIGINT drains the server and sets the time by which the process
 * ends, the grace period and MW_SIGNALS_LAST_MS from then. The second cancels the calls and moves that time to
 * MW_SIGNALS_LAST_MS from now. The third ends the process. SIGHUP reloads. */
#ifndef MW_CLI_SIGNALS_H
#define MW_CLI_SIGNALS_H

#include "server/server.h"

enum { MW_SIGNALS_LAST_MS = 2000 };

struct mw_signals;

/* Blocks the signals for this thread and those that it starts, and starts the thread. Until a server is attached, the
 * first signal leaves MW_SIGNALS_LAST_MS. Returns 0 and owned signals, MW_EIO or MW_ENOMEM. */
int mw_signals_open(struct mw_signals **out, struct mw_err *err);

/* Whether a signal has asked to stop. Any thread. */
bool mw_signals_stopping(struct mw_signals *signals);

/* Nanoseconds that are left for an orderly end. Any thread. */
int64_t mw_signals_left(struct mw_signals *signals);

/* Signals reach the server's control loop from now on, or no longer. A stop that came before gives calls no grace period.
 * On the thread of that loop. */
void mw_signals_attach(struct mw_signals *signals, struct mw_server *server);
void mw_signals_detach(struct mw_signals *signals);

/* Ends the thread. Until then the process ends in time whatever its other threads do. */
void mw_signals_close(struct mw_signals *signals);

#endif
