/* A generation: descriptor pool, scripts and settings of a project folder, read at one moment, under a number.
 *
 * One thread reads the bytes once; they never change, and all workers load the same ones. Reference counted; any
 * thread. */
#ifndef MW_SERVER_GENERATION_GENERATION_H
#define MW_SERVER_GENERATION_GENERATION_H

#include <stdatomic.h>

#include "base/arena.h"
#include "schema/load/find.h"
#include "schema/pool/pool.h"
#include "script/program/program.h"
#include "server/settings/settings.h"

struct mw_proto_file {
  const char *path; /* as messages name it: "proto/tasks.proto" */
  uint64_t digest;  /* of the file's bytes */
};

struct mw_generation {
  atomic_uint refs;
  uint64_t number;
  struct mw_pool *pool;
  uint64_t protos;                   /* digest of all files from which the pool was made */
  struct mw_proto_file *proto_files; /* .proto and .binpb files, folder by folder */
  size_t n_proto_files;
  struct mw_script_file *files; /* sorted by path */
  size_t n_files;
  struct mw_file_list names;           /* names of the scripts, relative to lua, and the links to them */
  struct mw_script_file settings_file; /* moonwire.lua, which is not a module; all NULL without one */
  struct mw_settings settings;         /* settings of moonwire.lua and of the command line */
  struct mw_arena arena;               /* holds paths and contents of the files */
  struct mw_generation *origin;        /* generation that owns the contents, a reference; NULL if they are its own */
};

/* Reads DIR/moonwire.lua, DIR/lua and the folders of .proto files, and collects the errors of all three as findings.
 * Shares the pool of `previous`, which may be NULL, if the .proto files are the same. `overrides` may be NULL. Returns
 * 0 and a reference, MW_EFORMAT, MW_EUNSUPPORTED, MW_EINVAL, MW_EIO or MW_ENOMEM. */
int mw_generation_read(struct mw_generation **out, const char *dir, uint64_t number,
                       const struct mw_generation *previous, const struct mw_overrides *overrides, struct mw_err *err);

/* Checks that the existing folder `dir` is a project folder: it contains a folder proto or lua, or a moonwire.lua.
 * Returns 0 or MW_ENOTFOUND. */
int mw_generation_check_project(const char *dir, struct mw_err *err);

/* Returns a generation with the contents of `old` under a new number; NULL without memory. */
struct mw_generation *mw_generation_renumber(struct mw_generation *old, uint64_t number);

/* Computes the digest of the .proto files in folders such as DIR/proto (schema/pool/roots.h). Returns 0, MW_EIO or
 * MW_ENOMEM. */
int mw_generation_digest_protos(uint64_t *out, const char *const *roots, struct mw_err *err);

/* True if both have the same .proto files, scripts, links to scripts and moonwire.lua. */
bool mw_generation_same(const struct mw_generation *a, const struct mw_generation *b);

/* True if both have the same moonwire.lua, or none. */
bool mw_generation_same_settings(const struct mw_generation *a, const struct mw_generation *b);

struct mw_generation *mw_generation_ref(struct mw_generation *generation);
void mw_generation_unref(struct mw_generation *generation);

/* Checks the folders of .proto files. Folders that moonwire.lua names must exist, and no folder of imports may lie in
 * the compiled one. The default folder may be absent. Returns 0, MW_EINVAL or MW_EIO. */
int mw_generation_check_folders(const struct mw_settings *settings, struct mw_err *err);

#endif
