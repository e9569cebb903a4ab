/* Finding files in a folder. */
#ifndef MW_SCHEMA_FIND_H
#define MW_SCHEMA_FIND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Two names of one file or folder, relative to the searched folder; "" is that folder itself. */
struct mw_file_alias {
  char *name, *other; /* owned. Of a folder, `paths` have what is in it below `name` alone; of a file, both names */
};

struct mw_file_list {
  char **paths; /* owned, relative to the folder, sorted */
  size_t n;
  struct mw_file_alias *aliases; /* in the order in which they were found */
  size_t n_aliases;
};

/* Finds every regular file below `dir` whose name ends in `suffix`. Names that start with a dot are passed over; links
 * to folders are followed, each folder being entered once. A folder that does not exist has no files.
 * A FIFO, socket or device of such a name is an error.
 * Returns 0, MW_EIO or MW_ENOMEM; on failure nothing needs to be released. */
int mw_find_files(struct mw_file_list *out, const char *dir, const char *suffix, struct mw_err *err);
void mw_file_list_fini(struct mw_file_list *list);

/* Finds `path` in the list. Returns its index, or n. */
size_t mw_file_list_find(const struct mw_file_list *list, const char *path);

/* The same of any name of a file, also one that leads through aliases. Of a file with two names, finds the first found. */
size_t mw_file_list_resolve(const struct mw_file_list *list, const char *name);

/* True if `path` is a second name. */
bool mw_file_list_is_alias(const struct mw_file_list *list, const char *path);

/* True if both have the same aliases in the same order. */
bool mw_file_list_same_aliases(const struct mw_file_list *a, const struct mw_file_list *b);

#endif
