/* Writes definitions as text, in the language of .proto files with full names. */
#ifndef MW_CLI_CALL_CALL_DESCRIBE_H
#define MW_CLI_CALL_CALL_DESCRIBE_H

#include "base/buf.h"
#include "schema/pool/pool.h"

/* Each function appends a definition. Returns 0 or MW_ENOMEM. */
int mw_describe_service(struct mw_buf *out, const struct mw_service_type *service);
int mw_describe_message(struct mw_buf *out, const struct mw_message_type *message);
int mw_describe_enum(struct mw_buf *out, const struct mw_enum_type *type);

/* Appends the method with its request and its reply. */
int mw_describe_method(struct mw_buf *out, const struct mw_method_type *method);

/* Appends a line of a list: "  Method(Request) returns (stream Reply)". */
int mw_describe_signature(struct mw_buf *out, const struct mw_method_type *method);

#endif
