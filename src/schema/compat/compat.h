/* Checks that an edit of the .proto files keeps wire compatibility with clients built for the old files, and with
 * values stored under them.
 *
 * The rules are the WIRE category of buf (buf.build/docs/breaking/rules), under its names:
 *
 *   FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED, ENUM_VALUE_NO_DELETE_UNLESS_NUMBER_RESERVED
 *       The number of a deleted field or value must be reserved, so that nobody uses it again.
 *   RESERVED_MESSAGE_NO_DELETE, RESERVED_ENUM_NO_DELETE
 *       Reserved numbers and names stay reserved.
 *   FIELD_WIRE_COMPATIBLE_TYPE
 *       Types change only within int32, int64, uint32, uint64 and bool; within sint32 and sint64; fixed32 and sfixed32;
 *       fixed64 and sfixed64; from string to bytes; from an enum to one of the same short name with all of its values.
 *   FIELD_WIRE_COMPATIBLE_CARDINALITY
 *       A field stays singular, or stays repeated. A map counts as repeated.
 *   FIELD_SAME_ONEOF, FIELD_SAME_DEFAULT, MESSAGE_SAME_REQUIRED_FIELDS, MESSAGE_SAME_MESSAGE_SET_WIRE_FORMAT
 *   RPC_SAME_REQUEST_TYPE, RPC_SAME_RESPONSE_TYPE, RPC_SAME_CLIENT_STREAMING, RPC_SAME_SERVER_STREAMING
 *   FILE_SAME_PACKAGE
 *       Unless all definitions of the file still exist under their full names.
 *
 * and two of buf's stricter ones, because clients call the methods:
 *
 *   RPC_NO_DELETE, PACKAGE_SERVICE_NO_DELETE (of a service that has methods)
 *
 * Definitions are matched by full name, fields and enum values by number. Additions, renames within a message and moves
 * to another file are allowed. A message or enum may be deleted; the fields that used it must not change.
 *
 * Differences from buf: a field that becomes or ceases to be required is one finding, without a second one for its
 * cardinality. A map's key and value follow the rules for types, so that a map can be renamed. An rpc's
 * idempotency_level may change, as gRPC does not send it. Extensions are not compared: they are unknown fields here. */
#ifndef MW_SCHEMA_COMPAT_COMPAT_H
#define MW_SCHEMA_COMPAT_COMPAT_H

#include "schema/pool/pool.h"

/* Compares the project's own files in `candidate` with those in `running`; built-in files are ignored. In findings, a
 * file's path follows its root among `roots` (schema/pool/roots.h; may be empty). Returns 0; MW_ECONFLICT, with one
 * finding for each violation,
 *
 *   DIR/tasks.proto:12: FIELD_WIRE_COMPATIBLE_TYPE: tasks.Task.priority: was int32, is string
 *
 * or MW_ENOMEM. The line is the line of the new definition; for a deleted one, the line of the definition that enclosed
 * it. There is no line if the file is gone or a descriptor set has no source information. Any thread. */
int mw_compat_check(const struct mw_pool *running, const struct mw_pool *candidate, const char *const *roots,
                    struct mw_err *err);

#endif
