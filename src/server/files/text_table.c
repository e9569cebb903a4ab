#include "server/files/text_table.h"

#include <string.h>

enum { COLUMNS = 16 };

int mw_table_write(struct mw_buf *out, const char *rows) {
  size_t widths[COLUMNS] = {0};
  unsigned column = 0;
  for (const char *cell = rows; *cell;) {
    size_t len = strcspn(cell, "\t\n");
    if (column < COLUMNS && len > widths[column]) widths[column] = len;
    column = cell[len] == '\t' ? column + 1 : 0;
    cell += len + (cell[len] != '\0');
  }
  int rc = 0;
  column = 0;
  for (const char *cell = rows; *cell && rc == 0;) {
    size_t len = strcspn(cell, "\t\n");
    bool last = cell[len] != '\t';
    int width = last || column >= COLUMNS ? 0 : (int)widths[column] + 2;
    rc = mw_buf_printf(out, "%-*.*s%s", width, (int)len, cell, last ? "\n" : "");
    column = last ? 0 : column + 1;
    cell += len + (cell[len] != '\0');
  }
  return rc;
}
