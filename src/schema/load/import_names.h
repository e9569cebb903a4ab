/* Chooses the name of each linked .proto file. Links give a file several names; protoc takes each name for a separate
 * file and refuses the second definition. */
#ifndef MW_SCHEMA_LOAD_IMPORT_NAMES_H
#define MW_SCHEMA_LOAD_IMPORT_NAMES_H

#include "schema/load/find.h"

/* Gives each .proto file in the list, which was found in `dir`, the name by which the others import it, and removes its
 * other names. Returns 0; MW_EFORMAT with "DIR/FILE:LINE: ..." if it is imported by two names, MW_EIO or MW_ENOMEM. On
 * failure the caller still frees the list. */
int mw_import_names(struct mw_file_list *list, const char *dir, struct mw_err *err);

#endif
