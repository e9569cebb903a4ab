/* The door for `moonwire status`, `reload`, `check`, `rollback` and `kill`: a Unix socket in the data folder that only
 * its owner can open.
 *
 * A connection carries one line, "COMMAND [ARGUMENT]\n":
 *
 *   status          what the server is doing
 *   activity        whether a reload is under way and what it does, in a line; asks no worker
 *   reload [force]  reads the folder; "force" takes edits that break the wire
 *   check DIR       tells what a reload would do; refused when the project folder is not DIR, an absolute path
 *   rollback [N]    brings generation N back, or the one before the running one
 *   kill CALL       ends a call
 *
 * and then its answer, "ok\n" or "error\n" and text for people, and is closed. Lines are bounded, and so is the time in
 * which one has to come and its answer has to be taken. On the control loop's thread. */
#ifndef MW_SERVER_ADMIN_H
#define MW_SERVER_ADMIN_H

#include "server/reload.h"
#include "server/survey.h"

#define MW_ADMIN_SOCKET "moonwire.sock"

struct mw_admin;

/* Listens on DATA_DIR/moonwire.sock, in place of what a server that is gone has left there: the folder is this
 * server's alone. Copies `crew`, borrows the rest. Returns 0, MW_ELIMIT (the path is too long for a socket), MW_EIO or
 * MW_ENOMEM. */
int mw_admin_open(struct mw_admin **out, const struct mw_crew *crew, struct mw_reload *reload, const char *data_dir,
                  struct mw_err *err);

/* Every worker has ended, so that no command is under way. The loop must run once more, as mw_loop_fini() does. NULL
 * is allowed. */
void mw_admin_close(struct mw_admin *admin);

#endif
