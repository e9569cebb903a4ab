/* Whether an edit of the .proto files breaks the wire: what clients built for the old files send and understand, and
 * what was stored under them.
 *
 * The rules are the WIRE category of buf (buf.build/docs/breaking/rules), under its names:
 *
 *   FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED, ENUM_VALUE_NO_DELETE_UNLESS_NUMBER_RESERVED
 *       A number that goes out of use is reserved, so that nobody uses it again.
 *   RESERVED_MESSAGE_NO_DELETE, RESERVED_ENUM_NO_DELETE
 *       Reserved numbers and names stay reserved.
 *   FIELD_WIRE_COMPATIBLE_TYPE
 *       Types change only within int32, int64, uint32, uint64 and bool; within sint32 and sint64; fixed32 and sfixed32;
 *       fixed64 and sfixed64; from string to bytes; from an enum to one of the same short name with all of its values.
 *   FIELD_WIRE_COMPATIBLE_CARDINALITY
 *       A field stays singular, or stays repeated, which a map is too.
 *   FIELD_SAME_ONEOF, FIELD_SAME_DEFAULT, MESSAGE_SAME_REQUIRED_FIELDS, MESSAGE_SAME_MESSAGE_SET_WIRE_FORMAT
 *   RPC_SAME_REQUEST_TYPE, RPC_SAME_RESPONSE_TYPE, RPC_SAME_CLIENT_STREAMING, RPC_SAME_SERVER_STREAMING
 *   FILE_SAME_PACKAGE
 *       Unless all that the file defined is still there under its full name.
 *
 * and, because callers lose what they call, two of its stricter ones:
 *
 *   RPC_NO_DELETE, PACKAGE_SERVICE_NO_DELETE (of a service that has methods)
 *
 * Definitions are matched by their full names, fields and enum values by their numbers: whatever is added, renamed
 * within a message, or moved to another file is fine. Messages and enums may go; what used them may not change. What
 * differs from buf: a field that starts or ceases to be required is one finding, not one of cardinality too;
 * a map's key and value are held to the rules for types, so that a map can be renamed; an rpc's idempotency_level is
 * free, as gRPC does not send it; extensions, which are unknown fields here, are not looked at. */
#ifndef MW_SCHEMA_COMPAT_H
#define MW_SCHEMA_COMPAT_H

#include "schema/pool.h"

/* Compares the project's own files in `candidate` with those in `running`; files that come with every pool do not
 * count. The one of `roots` (schema/roots.h; may be empty) that has a file stands before its path in findings.
 * Returns 0; MW_ECONFLICT, with one finding for each violation,
 *
 *   DIR/tasks.proto:12: FIELD_WIRE_COMPATIBLE_TYPE: tasks.Task.priority: was int32, is string
 *
 * where the line is that of the new definition, or of what is around the place where it was (no line when the file is
 * gone or a descriptor set has no source information); or MW_ENOMEM. Any thread. */
int mw_compat_check(const struct mw_pool *running, const struct mw_pool *candidate, const char *const *roots,
                    struct mw_err *err);

#endif
