/* Output of `moonwire call`: replies on stdout, everything else on stderr. Text from the server is escaped, so that it
 * cannot control a terminal. */
#ifndef MW_CLI_CALL_CALL_PRINT_H
#define MW_CLI_CALL_CALL_PRINT_H

#include "rpc/metadata.h"
#include "rpc/status.h"
#include "schema/pool/pool.h"

/* Prints a reply as JSON and flushes. Returns 0; MW_EFORMAT, MW_ELIMIT or MW_ENOMEM (the bytes do not fit the type, or
 * have no JSON form); MW_EIO (stdout is closed). */
int mw_call_print_reply(const struct mw_pool *pool, const struct mw_message_type *type, struct mw_slice bytes,
                        unsigned indent, struct mw_err *err);

/* Prints "MARK key: value" for each entry, binary values in base64. `mark` is "<" or ">". */
void mw_call_print_metadata(const char *mark, const struct mw_metadata *metadata);

/* Prints "CODE: message", and each of the status's details as JSON. */
void mw_call_print_error(const struct mw_pool *pool, const struct mw_status *status, unsigned indent);

#endif
