/* Finds files in a folder. */
#ifndef MW_SCHEMA_LOAD_FIND_H
#define MW_SCHEMA_LOAD_FIND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Two names of one file or folder, relative to the searched folder; "" is that folder itself. Files below an
 * aliased folder are in `paths` under `name` alone; an aliased file is there under both names. */
struct mw_file_alias {
  char *name, *other; /* owned */
};

struct mw_file_list {
  char **paths; /* owned, relative to the folder, sorted */
  size_t n;
  struct mw_file_alias *aliases; /* in the order of discovery */
  size_t n_aliases;
};

/* Finds every regular file below `dir` whose name ends in `suffix`. Skips names that start with a dot. Follows links to
 * folders, and enters each folder once. A folder that does not exist has no files. A FIFO, socket or device with such a
 * name is an error. Returns 0, MW_EIO or MW_ENOMEM; on failure nothing needs to be released. */
int mw_find_files(struct mw_file_list *out, const char *dir, const char *suffix, struct mw_err *err);
void mw_file_list_fini(struct mw_file_list *list);

/* Finds `path` in the list. Returns its index, or n. */
size_t mw_file_list_find(const struct mw_file_list *list, const char *path);

/* As mw_file_list_find(), for any name of a file, through aliases too. For a file with two names, returns the one found
 * first. */
size_t mw_file_list_resolve(const struct mw_file_list *list, const char *name);

/* True if `path` is a second name. */
bool mw_file_list_is_alias(const struct mw_file_list *list, const char *path);

/* True if both have the same aliases in the same order. */
bool mw_file_list_same_aliases(const struct mw_file_list *a, const struct mw_file_list *b);

#endif
