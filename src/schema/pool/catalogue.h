/* Indexes the definitions in a project's .proto files by name, as descriptors. Descriptors have reserved numbers,
 * groups and source positions, which the types of a pool omit.
 *
 * A project's own files are all but those built into every pool. Everything lives in the catalogue's arena or in the
 * pool, which must outlive the catalogue. One thread at a time. */
#ifndef MW_SCHEMA_POOL_CATALOGUE_H
#define MW_SCHEMA_POOL_CATALOGUE_H

#include "base/map.h"
#include "schema/pool/pool.h"
#include "schema/pool/source_line.h"

struct mw_catalogue_file {
  const char *path;
  struct mw_slice bytes; /* the serialised FileDescriptorProto */
  const Google__Protobuf__FileDescriptorProto *proto;
};

enum mw_definition_kind { MW_DEFINES_MESSAGE, MW_DEFINES_ENUM, MW_DEFINES_SERVICE };

struct mw_definition {
  enum mw_definition_kind kind;
  const char *full_name;
  const struct mw_catalogue_file *file;
  struct mw_source_path path;
  union {
    const Google__Protobuf__DescriptorProto *message;
    const Google__Protobuf__EnumDescriptorProto *enumeration;
    const Google__Protobuf__ServiceDescriptorProto *service;
  };
  struct mw_definition *next; /* next definition in the order of the files */
};

struct mw_catalogue {
  struct mw_arena arena;
  const struct mw_pool *pool;
  struct mw_catalogue_file *files; /* sorted by path */
  size_t n_files;
  struct mw_definition *first, **last;
  struct mw_map by_name;
};

/* Lists the definitions of `pool`. Returns 0 or MW_ENOMEM; on failure nothing needs to be released. */
int mw_catalogue_init(struct mw_catalogue *catalogue, const struct mw_pool *pool);
void mw_catalogue_fini(struct mw_catalogue *catalogue);

/* Finds a definition by kind and full name. Returns NULL if there is none. */
const struct mw_definition *mw_catalogue_find(const struct mw_catalogue *catalogue, enum mw_definition_kind kind,
                                              const char *full_name);

/* Finds a file by path. Returns NULL if there is none. */
const struct mw_catalogue_file *mw_catalogue_file(const struct mw_catalogue *catalogue, const char *path);

#endif
