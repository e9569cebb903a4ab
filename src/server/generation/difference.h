/* Describes the differences of two generations in words. */
#ifndef MW_SERVER_GENERATION_DIFFERENCE_H
#define MW_SERVER_GENERATION_DIFFERENCE_H

#include "base/buf.h"
#include "server/generation/generation.h"

/* Appends "changed lua/a.lua; added lua/b.lua; methods added tasks.TaskService/Purge", or "the same files". */
void mw_difference_write(struct mw_buf *out, const struct mw_generation *before, const struct mw_generation *after);

/* Copies the script line that the finding "FILE:LINE: ..." refers to, without indentation. Returns false if there is
 * none. */
bool mw_difference_source_line(const struct mw_generation *generation, const char *finding, char *out, size_t size);

/* The same from the file on the disk, for files that are in no generation. */
bool mw_difference_disk_line(const char *finding, char *out, size_t size);

#endif
