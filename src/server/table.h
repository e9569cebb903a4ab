/* Tables for people: columns as wide as their widest cell. */
#ifndef MW_SERVER_TABLE_H
#define MW_SERVER_TABLE_H

#include "base/buf.h"

/* Appends `rows`, lines whose cells are separated by tabs, with the columns aligned. Returns 0 or MW_ENOMEM. */
int mw_table_write(struct mw_buf *out, const char *rows);

#endif
