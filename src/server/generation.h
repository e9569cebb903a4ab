/* A generation: the descriptor pool, the scripts and the settings of a project folder as they were read at one moment,
 * under a number.
 *
 * The bytes are read once, by one thread, and never change; all workers load the same ones. Reference counted; any
 * thread. */
#ifndef MW_SERVER_GENERATION_H
#define MW_SERVER_GENERATION_H

#include <stdatomic.h>

#include "base/arena.h"
#include "schema/find.h"
#include "schema/pool.h"
#include "script/program.h"
#include "server/settings.h"

struct mw_proto_file {
  const char *path; /* for messages: "proto/tasks.proto" */
  uint64_t digest;  /* of its bytes */
};

struct mw_generation {
  atomic_uint refs;
  uint64_t number;
  struct mw_pool *pool;
  uint64_t protos;              /* a digest of all that the pool was made of */
  struct mw_proto_file *proto_files; /* .proto and .binpb files, folder by folder */
  size_t n_proto_files;
  struct mw_script_file *files; /* sorted by path */
  size_t n_files;
  struct mw_file_list names;    /* of them, below lua, with the links to them */
  struct mw_script_file settings_file; /* moonwire.lua, which is no module; all NULL without one */
  struct mw_settings settings;  /* of it, and of the command line */
  struct mw_arena arena;        /* what the files point into */
  struct mw_generation *origin; /* a reference: whose contents these are; NULL for its own */
};

/* Reads DIR/moonwire.lua, DIR/lua and the folders of protos. Errors of all are findings of one look. When the protos are those of
 * `previous`, which may be NULL, its pool is shared. `overrides` may be NULL. Returns 0 and a reference, MW_EFORMAT,
 * MW_EUNSUPPORTED, MW_EINVAL, MW_EIO or MW_ENOMEM. */
int mw_generation_read(struct mw_generation **out, const char *dir, uint64_t number,
                       const struct mw_generation *previous, const struct mw_overrides *overrides,
                       struct mw_err *err);

/* Checks that `dir`, which is a folder, is a project folder: it has a folder proto or lua, or a moonwire.lua. Returns 0 or
 * MW_ENOTFOUND. */
int mw_generation_check_project(const char *dir, struct mw_err *err);

/* The contents of `old` under a new number. NULL without memory. */
struct mw_generation *mw_generation_renumber(struct mw_generation *old, uint64_t number);

/* The digest of the protos in folders (schema/roots.h), such as DIR/proto. Returns 0, MW_EIO or MW_ENOMEM. */
int mw_generation_digest_protos(uint64_t *out, const char *const *roots, struct mw_err *err);

/* Whether both hold the same protos, scripts, links to them and moonwire.lua. */
bool mw_generation_same(const struct mw_generation *a, const struct mw_generation *b);

/* True if both hold the same moonwire.lua, or none. */
bool mw_generation_same_settings(const struct mw_generation *a, const struct mw_generation *b);

struct mw_generation *mw_generation_ref(struct mw_generation *generation);
void mw_generation_unref(struct mw_generation *generation);

/* Checks the folders of protos: those that moonwire.lua names must exist and lie apart, the default one may be absent. Returns 0,
 * MW_EINVAL or MW_EIO. */
int mw_generation_check_folders(const struct mw_settings *settings, struct mw_err *err);

#endif
