/* Links give a file several names. protoc takes each name for a file of its own and refuses the second definition. */
#ifndef MW_SCHEMA_IMPORT_NAMES_H
#define MW_SCHEMA_IMPORT_NAMES_H

#include "schema/find.h"

/* Gives each .proto file in the list, which was found in `dir`, the name by which the others import it, and leaves out
 * its other names. Returns 0; MW_EFORMAT with "DIR/FILE:LINE: ..." when it is imported by two names, MW_EIO or
 * MW_ENOMEM; the list is still to be freed then. */
int mw_import_names(struct mw_file_list *list, const char *dir, struct mw_err *err);

#endif
