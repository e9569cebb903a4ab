/* The signals of `moonwire serve`, and the time by which the process ends.
 *
 * A thread of its own takes SIGTERM, SIGINT and SIGHUP. It never waits for the control loop, a disk or the reader of
 * the log. The first SIGTERM or SIGINT drains the server, and sets the end of the process to the grace period plus
 * MW_SIGNALS_LAST_MS from then. The second cancels the calls, and sets the end to MW_SIGNALS_LAST_MS from then. The
 * third ends the process. SIGHUP reloads. */
#ifndef MW_CLI_SERVE_SIGNALS_H
#define MW_CLI_SERVE_SIGNALS_H

#include "server/server.h"

enum { MW_SIGNALS_LAST_MS = 2000 };

struct mw_signals;

/* Blocks the signals for this thread and the threads that it starts, and starts the signal thread. Until a server is
 * attached, the first signal leaves MW_SIGNALS_LAST_MS. Returns 0 and owned signals, MW_EIO or MW_ENOMEM. */
int mw_signals_open(struct mw_signals **out, struct mw_err *err);

/* True once a signal has requested a stop. Any thread. */
bool mw_signals_stopping(struct mw_signals *signals);

/* Returns the nanoseconds left for an orderly end. Any thread. */
int64_t mw_signals_left(struct mw_signals *signals);

/* Connect the signals to the server's control loop, and disconnect them. After an earlier stop, calls get no grace
 * period. On the thread of that loop. */
void mw_signals_attach(struct mw_signals *signals, struct mw_server *server);
void mw_signals_detach(struct mw_signals *signals);

/* Ends the thread. Until then it ends the process in time, whatever the other threads do. */
void mw_signals_close(struct mw_signals *signals);

#endif
