/* Builds a pool in passes:
 *   declare   gives every name of the files its place in the pool, so that names can refer to each other in any order;
 *   check     compares the folder's copies of built-in types with the built-in ones (schema/pool/builtin.h);
 *   link      completes messages, services and extensions, and resolves the names of types;
 *   layout    builds the protobuf-c descriptors (schema/pool/layout.h).
 * The state declared here lives only while the pool is built. */
#ifndef MW_SCHEMA_POOL_BUILD_H
#define MW_SCHEMA_POOL_BUILD_H

#include "schema/pool/descriptor_set.h"
#include "schema/pool/pool_impl.h"

/* Plans: the descriptor and the file that each type of the pool is built from. */
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
  bool proto3; /* syntax of the file */
};

struct mw_builder {
  struct mw_pool *pool;
  struct mw_err *err;
  const char *const *roots;              /* prefixes of the paths in findings: schema/pool/roots.h */
  const struct mw_descriptor_set *given; /* the folder's files */
  bool builtin;                          /* set while the built-in files are declared */
  const struct mw_pool_file *file;       /* current file, named in findings */
  bool proto3;                           /* syntax of `file` */

  /* `messages`, `message_descs` are parallel to pool->messages; `enum_descs`, `enums` to pool->enums. Services and
   * extensions are in the order of the files. */
  struct mw_message_plan *messages;
  ProtobufCMessageDescriptor *message_descs;
  ProtobufCEnumDescriptor *enum_descs;
  const Google__Protobuf__EnumDescriptorProto **enums;
  struct mw_service_plan *services;
  struct mw_extension_plan *extensions;
  size_t n_services, n_extensions;
  struct mw_arena scratch; /* holds the arrays above */
};

/* Allocates room for the types of both sets. Each function below returns 0 or a code with words in b->err. */
int mw_build_reserve(struct mw_builder *b, const struct mw_descriptor_set *given, const struct mw_descriptor_set *own);

/* Declares one file. Fails with MW_EEXIST, MW_EFORMAT, MW_EUNSUPPORTED or MW_ENOMEM. */
int mw_build_declare(struct mw_builder *b, const struct mw_descriptor_file *file);

/* Links and lays out the declared messages and services. Fails with MW_EFORMAT or MW_ENOMEM. */
int mw_build_link(struct mw_builder *b);

/* link.c: mw_build_field() links one field of the message `type`, without its place in memory. mw_build_check_number()
 * checks the field's number alone. */
int mw_build_field(struct mw_builder *b, const char *type, const Google__Protobuf__FieldDescriptorProto *proto,
                   struct mw_field *field);
int mw_build_check_number(struct mw_builder *b, const char *type, const Google__Protobuf__FieldDescriptorProto *proto);

/* link.c: finds a message by full name, which may start with a dot. Returns NULL if there is none. */
const struct mw_message_type *mw_build_find_message(const struct mw_builder *b, const char *name);

/* extension.c: links the extensions. Call it after the messages are linked. */
int mw_build_extensions(struct mw_builder *b);

/* Parses the TEXT of [default = TEXT] as the default value of a field whose type is linked. `where` names the field.
 * Fails with MW_EFORMAT or MW_ENOMEM. */
int mw_build_default(struct mw_builder *b, const char *where, const char *text, struct mw_field *field);

/* Sets b->err to "ROOT/FILE: ...". Returns `code`. */
int mw_build_fail(struct mw_builder *b, int code, const char *fmt, ...) MW_PRINTF(3, 4);

/* As mw_build_fail(), with the line of b->file that defines `full_name`: "ROOT/FILE:LINE: ...". Omits the line if the
 * file has no source information. */
int mw_build_fail_at(struct mw_builder *b, int code, const char *full_name, const char *fmt, ...) MW_PRINTF(4, 5);

/* Reports lack of memory in b->err. Returns MW_ENOMEM. */
int mw_build_no_memory(struct mw_builder *b);

/* Copies `text` into the pool. Returns NULL without memory. */
char *mw_build_copy(struct mw_builder *b, const char *text);

/* Returns "SCOPE.NAME" in the pool, or NAME if the scope is empty; NULL without memory. */
char *mw_build_join(struct mw_builder *b, const char *scope, const char *name);

/* Finds a symbol by full name, which may start with a dot. Returns NULL if there is none. */
const struct mw_symbol *mw_build_find(const struct mw_builder *b, const char *full_name);

#endif
