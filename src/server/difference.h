/* What differs between two generations, in words. */
#ifndef MW_SERVER_DIFFERENCE_H
#define MW_SERVER_DIFFERENCE_H

#include "base/buf.h"
#include "server/generation.h"

/* Appends "changed lua/a.lua; added lua/b.lua; methods added tasks.TaskService/Purge", or "the same files". */
void mw_difference_write(struct mw_buf *out, const struct mw_generation *before, const struct mw_generation *after);

/* The text of the script line that a finding "FILE:LINE: ..." is about, without indentation. Returns whether there is
 * one. */
bool mw_difference_source_line(const struct mw_generation *generation, const char *finding, char *out, size_t size);

/* The same from the file as it is on the disk, for what is in no generation. */
bool mw_difference_disk_line(const char *finding, char *out, size_t size);

#endif
