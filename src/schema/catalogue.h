/* What the files of a project define, by name, as their descriptors say it: reserved numbers, groups and positions in
 * the text are there, which the types of a pool leave out.
 *
 * A project's own files are all but those that come with every pool. Everything lives in the catalogue's arena and the
 * pool, which must outlive it. One thread at a time. */
#ifndef MW_SCHEMA_CATALOGUE_H
#define MW_SCHEMA_CATALOGUE_H

#include "base/map.h"
#include "schema/pool.h"
#include "schema/source_line.h"

struct mw_catalogue_file {
  const char *path;
  struct mw_slice bytes; /* serialised */
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
  struct mw_definition *next; /* the one behind it, in the order of the files */
};

struct mw_catalogue {
  struct mw_arena arena;
  const struct mw_pool *pool;
  struct mw_catalogue_file *files; /* sorted by path */
  size_t n_files;
  struct mw_definition *first, **last;
  struct mw_map by_name;
};

/* Lists what `pool` defines. Returns 0 or MW_ENOMEM; on failure nothing needs to be released. */
int mw_catalogue_init(struct mw_catalogue *catalogue, const struct mw_pool *pool);
void mw_catalogue_fini(struct mw_catalogue *catalogue);

/* What has this full name and is of this kind; NULL when there is none. */
const struct mw_definition *mw_catalogue_find(const struct mw_catalogue *catalogue, enum mw_definition_kind kind,
                                              const char *full_name);

/* The file at a path; NULL when there is none. */
const struct mw_catalogue_file *mw_catalogue_file(const struct mw_catalogue *catalogue, const char *path);

#endif
