/* The descriptor pool: every message, enum and service of a set of .proto files, with protobuf-c descriptors that were
 * laid out at run time.
 *
 * A pool is immutable once made, reference counted and readable from every thread. All pointers reachable from it live
 * until the last mw_pool_unref(). The well-known types (google.protobuf.*), google.rpc's status and error details, and
 * gRPC's health and reflection services are built into every pool, except for types that the folder's own copy of their
 * file omits. Any, Timestamp and Duration always exist. A built-in type that code relies on always has the built-in
 * shape (schema/pool/builtin.h). Names are full names without a leading dot ("tasks.Task"). */
#ifndef MW_SCHEMA_POOL_POOL_H
#define MW_SCHEMA_POOL_POOL_H

#include "base/err.h"
#include "schema/type/type.h"

struct mw_pool;

/* Finding for a file of an edition. */
#define MW_POOL_NO_EDITIONS "protobuf editions are not supported: expected syntax = \"proto3\" or \"proto2\""

enum { MW_POOL_SET_MAX = 256 << 20 }; /* greatest size of a set, in bytes */

/* Makes a pool from a serialised google.protobuf.FileDescriptorSet, all or nothing. Ignores later duplicates of a file
 * with the same bytes. Borrows `set` for the call. Refuses everything that would make protobuf-c abort. A copy of a
 * built-in file in the set, at any path, replaces the built-in file. Returns 0 and a reference in `out`; MW_EFORMAT
 * (not a set, a dangling reference, an impossible type, or another shape of a built-in type that code relies on),
 * MW_EEXIST (a name defined twice), MW_EUNSUPPORTED (editions), MW_ELIMIT (over MW_POOL_SET_MAX, or nested over 64
 * deep) or MW_ENOMEM. Findings about a file begin with "ROOT/FILE:LINE:", or with "ROOT/FILE:" if the line is unknown.
 * ROOT is the one of `roots` (schema/pool/roots.h, may be empty) that has the file. */
int mw_pool_load(struct mw_pool **out, struct mw_slice set, const char *const *roots, struct mw_err *err);

/* As mw_pool_load() with findings that begin with "FILE:". */
int mw_pool_new(struct mw_pool **out, struct mw_slice set, struct mw_err *err);

struct mw_pool *mw_pool_ref(struct mw_pool *pool);
void mw_pool_unref(struct mw_pool *pool);

/* Find a type by full name. Return NULL if there is none. */
const struct mw_message_type *mw_pool_message(const struct mw_pool *pool, const char *full_name);
const struct mw_enum_type *mw_pool_enum(const struct mw_pool *pool, const char *full_name);
const struct mw_service_type *mw_pool_service(const struct mw_pool *pool, const char *full_name);

/* Finds a method by path, "/package.Service/Method". Returns NULL if there is none. */
const struct mw_method_type *mw_pool_method(const struct mw_pool *pool, struct mw_slice path);

/* Iterate: i from 0 to the count. Services are sorted by name. */
size_t mw_pool_message_count(const struct mw_pool *pool);
const struct mw_message_type *mw_pool_message_at(const struct mw_pool *pool, size_t i);
size_t mw_pool_enum_count(const struct mw_pool *pool);
const struct mw_enum_type *mw_pool_enum_at(const struct mw_pool *pool, size_t i);
size_t mw_pool_service_count(const struct mw_pool *pool);
const struct mw_service_type *mw_pool_service_at(const struct mw_pool *pool, size_t i);

/* For reflection: the serialised FileDescriptorProto of a file (data NULL if there is none); the path of the file that
 * defines a symbol (message, field, enum, enum value, service, method, extension), or of the file that extends message
 * `type` by field `number` (NULL if there is none); the numbers of all extensions of `type`; the paths that a file
 * imports. */
struct mw_slice mw_pool_file(const struct mw_pool *pool, const char *path);
const char *mw_pool_file_of_symbol(const struct mw_pool *pool, const char *symbol);
const char *mw_pool_file_of_extension(const struct mw_pool *pool, const char *type, int32_t number);
size_t mw_pool_extensions(const struct mw_pool *pool, const char *type, const int32_t **numbers);
size_t mw_pool_imports(const struct mw_pool *pool, const char *path, const char *const **imports);

/* Return the holder of an extension: a message type with the name of the extended message and the extension as its only
 * field, named "[full.name]". It is in no list and has no index. The unknown fields of a message that belong to the
 * extension unpack as a message of this type. Return NULL if there is no such extension, or if it is a group or extends
 * a message set. */
const struct mw_message_type *mw_pool_extension(const struct mw_pool *pool, const char *type, uint32_t number);
const struct mw_message_type *mw_pool_extension_by_name(const struct mw_pool *pool, struct mw_slice full_name);

#endif
