/* Making a pool, in passes:
 *   declare   gives every name of the files its place in the pool, so that names can refer to each other in any order;
 *   check     compares the folder's copies of built-in types with the built-in ones (schema/builtin.h);
 *   link      completes messages, services and extensions, resolving the names of types;
 *   layout    builds the protobuf-c descriptors (schema/layout.h).
 * What only the making needs is here and is gone afterwards. */
#ifndef MW_SCHEMA_BUILD_H
#define MW_SCHEMA_BUILD_H

#include "schema/descriptor_set.h"
#include "schema/pool_impl.h"

/* Where the things in the pool come from. */
struct mw_message_plan {
  const Google__Protobuf__DescriptorProto *proto;
  const struct mw_pool_file *file;
  bool proto3;
  struct mw_field *fields; /* the type's, writable */
  struct mw_oneof *oneofs;
};

struct mw_service_plan {
  const Google__Protobuf__ServiceDescriptorProto *proto;
  const struct mw_pool_file *file;
  struct mw_service_type *type;
};

struct mw_extension_plan {
  const Google__Protobuf__FieldDescriptorProto *proto;
  const struct mw_pool_file *file;
  const char *full_name;
  bool proto3; /* the syntax of the file */
};

struct mw_builder {
  struct mw_pool *pool;
  struct mw_err *err;
  const char *const *roots;              /* before the paths in findings: schema/roots.h */
  const struct mw_descriptor_set *given; /* the folder's files */
  bool builtin;                          /* files that are declared now are the pool's own */
  const struct mw_pool_file *file; /* the one being worked on: findings name it */
  bool proto3;                     /* its syntax */

  /* Parallel to pool->messages and pool->enums, and the services and extensions in the order of the files. */
  struct mw_message_plan *messages;
  ProtobufCMessageDescriptor *message_descs;
  ProtobufCEnumDescriptor *enum_descs;
  const Google__Protobuf__EnumDescriptorProto **enums;
  struct mw_service_plan *services;
  struct mw_extension_plan *extensions;
  size_t n_services, n_extensions;
  struct mw_arena scratch; /* holds the above */
};

/* Makes room for the types of both sets. Each function below returns 0 or a code with words in b->err. */
int mw_build_reserve(struct mw_builder *b, const struct mw_descriptor_set *given, const struct mw_descriptor_set *own);

/* Declares one file. MW_EEXIST, MW_EFORMAT, MW_EUNSUPPORTED, MW_ENOMEM. */
int mw_build_declare(struct mw_builder *b, const struct mw_descriptor_file *file);

/* Links what was declared and lays it out. MW_EFORMAT, MW_ENOMEM. */
int mw_build_link(struct mw_builder *b);

/* link.c: one field of the message `type`, but for its place in memory; and its number alone. */
int mw_build_field(struct mw_builder *b, const char *type, const Google__Protobuf__FieldDescriptorProto *proto,
                   struct mw_field *field);
int mw_build_check_number(struct mw_builder *b, const char *type, const Google__Protobuf__FieldDescriptorProto *proto);

/* link.c: the message of a full name, which may start with a dot; NULL when there is none. */
const struct mw_message_type *mw_build_find_message(const struct mw_builder *b, const char *name);

/* extension.c: links the extensions, after the messages. */
int mw_build_extensions(struct mw_builder *b);

/* Sets the value of [default = TEXT] of a field whose type is known. `where` names the field. MW_EFORMAT, MW_ENOMEM. */
int mw_build_default(struct mw_builder *b, const char *where, const char *text, struct mw_field *field);

/* Sets b->err to "ROOT/FILE: ...". Returns `code`. */
int mw_build_fail(struct mw_builder *b, int code, const char *fmt, ...) MW_PRINTF(3, 4);

/* The same with the line of b->file in which `full_name` is defined, "ROOT/FILE:LINE: ..."; without a line when the file
 * has no source information. */
int mw_build_fail_at(struct mw_builder *b, int code, const char *full_name, const char *fmt, ...) MW_PRINTF(4, 5);

/* The finding for lack of memory. Returns MW_ENOMEM. */
int mw_build_no_memory(struct mw_builder *b);

/* A copy of `text` in the pool; NULL without memory. */
char *mw_build_copy(struct mw_builder *b, const char *text);

/* "SCOPE.NAME" in the pool, or NAME when the scope is empty; NULL without memory. */
char *mw_build_join(struct mw_builder *b, const char *scope, const char *name);

/* The symbol of a full name, which may start with a dot; NULL when there is none. */
const struct mw_symbol *mw_build_find(const struct mw_builder *b, const char *full_name);

#endif
