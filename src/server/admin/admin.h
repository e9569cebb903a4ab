/* The admin socket for `moonwire status`, `reload`, `check`, `rollback` and `kill`: a Unix socket in the data folder
 * that only its owner can open.
 *
 * A connection carries one line, "COMMAND [ARGUMENT]\n":
 *
 *   status          reports the server's activity: workers, calls, generations
 *   activity        reports in one line whether a reload is under way, and its step; asks no worker
 *   reload [force]  reads the folder; "force" accepts edits that break clients on the wire
 *   check DIR       reports the effect of a reload; refused if DIR, an absolute path, is not the project folder
 *   rollback [N]    restores generation N, or the one before the running one
 *   kill CALL       cancels a call
 *
 * The server sends the answer, "ok\n" or "error\n" and text for people, and closes the connection. The length of a
 * line, and the times to send it and to receive the answer, are limited. On the control loop's thread. */
#ifndef MW_SERVER_ADMIN_ADMIN_H
#define MW_SERVER_ADMIN_ADMIN_H

#include "server/reload/reload.h"
#include "server/worker/broadcast.h"

#define MW_ADMIN_SOCKET "moonwire.sock"

struct mw_admin;

/* Listens on DATA_DIR/moonwire.sock. Replaces the socket of an earlier server, because the folder belongs to this
 * server alone. Copies `workers`, borrows the rest. Returns 0, MW_ELIMIT (the path is too long for a socket), MW_EIO or
 * MW_ENOMEM. */
int mw_admin_open(struct mw_admin **out, const struct mw_workers *workers, struct mw_reload *reload,
                  const char *data_dir, struct mw_err *err);

/* Requires that every worker has ended, so that no command is under way. The loop must run once more, as mw_loop_fini()
 * does. Accepts NULL. */
void mw_admin_close(struct mw_admin *admin);

#endif
