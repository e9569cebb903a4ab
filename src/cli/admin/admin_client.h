/* Sends commands to a running server, through the socket in its data folder (server/admin/admin.h). */
#ifndef MW_CLI_ADMIN_ADMIN_CLIENT_H
#define MW_CLI_ADMIN_ADMIN_CLIENT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

/* Defaults of --timeout, in seconds. The long one is for commands that wait for protoc and specs. */
enum { MW_ASK_SECONDS = 10, MW_ASK_LONG_SECONDS = 150 };

/* Parses the seconds of a --timeout option. Returns false unless they are a number from 0.1 to 86400. */
bool mw_ask_seconds(const char *text, double *out);

/* Sends a command, with `argument` unless it is "", and waits for the answer, for at most `seconds`. Returns 0;
 * MW_ENOTFOUND (no server runs on the folder `data`), MW_EBUSY (the server belongs to another user), MW_ELIMIT (the
 * path is too long for a socket), MW_ECLOSED (closed, or no answer in time: the text includes the server's activity),
 * MW_EIO or MW_ENOMEM. */
int mw_admin_send(const char *data, const char *command, const char *argument, double seconds, struct mw_buf *answer,
                  struct mw_err *err);

/* True if the answer reports success. `text` is its text for people, borrowed from it. */
bool mw_ask_succeeded(struct mw_buf *answer, const char **text);

#endif
