/* Tables for people. Each column is as wide as its widest cell. */
#ifndef MW_SERVER_FILES_TEXT_TABLE_H
#define MW_SERVER_FILES_TEXT_TABLE_H

#include "base/buf.h"

/* Appends `rows`, lines with cells separated by tabs, with aligned columns. Returns 0 or MW_ENOMEM. */
int mw_table_write(struct mw_buf *out, const char *rows);

#endif
