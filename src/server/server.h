/* A server: the generations of a folder, what the workers share, and the workers. */
#ifndef MW_SERVER_SERVER_H
#define MW_SERVER_SERVER_H

#include "server/reload.h"
#include "server/worker.h"

struct mw_server;

/* Reads the project folder, opens the store, and starts workers that listen; they serve once this returns. Borrows
 * `dir` and `overrides` for as long as the server lives. Findings name files, settings or addresses.
 * Returns 0 or the error, with nothing left open. */
int mw_server_open(struct mw_server **out, const char *dir, const struct mw_overrides *overrides, struct mw_err *err);

/* The i-th address it listens on, port filled in; NULL past the last. */
const char *mw_server_address(const struct mw_server *server, size_t i);

/* The one it has started with. */
const struct mw_generation *mw_server_generation(const struct mw_server *server);

/* Whether a script handles the method. */
bool mw_server_handles(const struct mw_server *server, const struct mw_method_type *method);

/* The loop that the caller runs with mw_server_run(): signals can be watched on it. */
struct mw_loop *mw_server_loop(struct mw_server *server);

/* Runs the control loop until every worker has ended: reloads the folder when it changes. */
void mw_server_run(struct mw_server *server);

/* Reloads; see server/reload.h. */
struct mw_reload *mw_server_reload(struct mw_server *server);

/* Nanoseconds that running calls get when the server stops, by the newest generation. Any thread. */
int64_t mw_server_grace(const struct mw_server *server);

/* Drain: no new calls; running ones get the grace period. Cancel: the grace period is over now. On the control loop's
 * thread. */
void mw_server_drain(struct mw_server *server);
void mw_server_cancel(struct mw_server *server);

/* Waits for the workers' end, which was asked for or came by itself, and closes everything. */
void mw_server_close(struct mw_server *server);

/* The engines' names, for messages. */
#define MW_SERVER_ENGINES "http or core"

/* The engine of that name, or NULL. */
const struct mw_engine_ops *mw_server_engine(const char *name);

#endif
