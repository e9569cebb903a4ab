/* The inside of a pool, private to the files that make one and look things up in it. */
#ifndef MW_SCHEMA_POOL_POOL_IMPL_H
#define MW_SCHEMA_POOL_POOL_IMPL_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/map.h"
#include "schema/pool/pool.h"

struct mw_pool_file {
  const char *path;
  struct mw_slice bytes; /* the serialised FileDescriptorProto */
  const char *const *imports;
  size_t n_imports;
  bool builtin;
};

enum mw_symbol_kind {
  MW_SYMBOL_MESSAGE,
  MW_SYMBOL_ENUM,
  MW_SYMBOL_SERVICE,
  MW_SYMBOL_MEMBER /* a field, oneof, enum value, method or extension: listed for reflection alone */
};

/* The type or member that a full name refers to. */
struct mw_symbol {
  enum mw_symbol_kind kind;
  const struct mw_pool_file *file;
  void *type; /* mw_message_type, mw_enum_type, mw_service_type; the holder of an extension; NULL for other members */
};

struct mw_extension {
  const char *extendee;
  int32_t number;
  const struct mw_pool_file *file;
  const struct mw_message_type *holder; /* see mw_pool_extension() */
};

struct mw_pool {
  atomic_size_t refs;
  struct mw_arena arena; /* holds everything but the tables of the maps */
  struct mw_map files;   /* path -> mw_pool_file */
  struct mw_map symbols; /* full name -> mw_symbol */
  struct mw_map methods; /* path -> mw_method_type */
  struct mw_message_type *messages;
  size_t n_messages;
  struct mw_enum_type *enums;
  size_t n_enums;
  const struct mw_service_type **services; /* sorted by name */
  size_t n_services;
  struct mw_extension *extensions; /* sorted by extendee and number */
  int32_t *extension_numbers;      /* the numbers of `extensions`, in the same order */
  size_t n_extensions;
};

#endif
