/* Asking a running server, through the socket in its data folder (server/admin.h). */
#ifndef MW_CLI_ASK_H
#define MW_CLI_ASK_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

/* Defaults of --timeout; the long one of commands that wait for protoc and specs. */
enum { MW_ASK_SECONDS = 10, MW_ASK_LONG_SECONDS = 150 };

/* The seconds of a --timeout option. Returns false unless it is a number from 0.1 to 86400. */
bool mw_ask_seconds(const char *text, double *out);

/* Sends a command, with an argument unless that is "", and waits for the answer, for `seconds` at most. Returns 0;
 * MW_ENOTFOUND (no server is running on the folder `data`), MW_EBUSY (it is another user's), MW_ELIMIT (the path is too
 * long for a socket's), MW_ECLOSED (also without an answer in time: the words include what the server does), MW_EIO or
 * MW_ENOMEM. */
int mw_ask(const char *data, const char *command, const char *argument, double seconds, struct mw_buf *answer,
           struct mw_err *err);

/* Whether the answer says that it was done; `text` is what it says to people, borrowed from it. */
bool mw_ask_succeeded(struct mw_buf *answer, const char **text);

#endif
