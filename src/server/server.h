/* A server: the generations of a project folder, the workers, and the objects that the workers share. */
#ifndef MW_SERVER_SERVER_H
#define MW_SERVER_SERVER_H

#include "server/reload/reload.h"
#include "server/worker/worker.h"

struct mw_server;

/* Reads the project folder, opens the store, and starts workers that listen. The workers serve once this returns.
 * Borrows `dir` and `overrides` until mw_server_close(). Findings name files, settings or addresses. Returns 0 or an
 * error, with nothing left open. */
int mw_server_open(struct mw_server **out, const char *dir, const struct mw_overrides *overrides, struct mw_err *err);

/* Returns the i-th listening address, with its port filled in; NULL past the last. */
const char *mw_server_address(const struct mw_server *server, size_t i);

/* Returns the generation that the server started with. */
const struct mw_generation *mw_server_generation(const struct mw_server *server);

/* True if a script handles the method. */
bool mw_server_handles(const struct mw_server *server, const struct mw_method_type *method);

/* Returns the control loop, which the caller runs with mw_server_run() and on which it can watch signals. */
struct mw_loop *mw_server_loop(struct mw_server *server);

/* Runs the control loop until every worker has ended. Reloads the folder when it changes. */
void mw_server_run(struct mw_server *server);

/* Returns the reloader (server/reload/reload.h). */
struct mw_reload *mw_server_reload(struct mw_server *server);

/* Returns the nanoseconds that running calls get when the server stops, from the newest generation. Any thread. */
int64_t mw_server_grace_ns(const struct mw_server *server);

/* Drain: refuses new calls; running ones get the grace period. Cancel: ends the grace period now. Both run on the
 * control loop's thread. */
void mw_server_drain(struct mw_server *server);
void mw_server_cancel(struct mw_server *server);

/* Waits until the workers have ended, by request or by themselves, and closes everything. */
void mw_server_close(struct mw_server *server);

#endif
