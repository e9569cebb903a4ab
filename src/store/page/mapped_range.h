/* Read faults in mapped files. If a page of a watched map cannot be read, because the file was truncated or the disk
 * fails, the kernel sends SIGBUS. A handler for the whole process then maps a page of zeros in its place and sets
 * `faulted`. The reader continues, and rejects the zeros. Other faults go to the previous handler. */
#ifndef MW_STORE_PAGE_MAPPED_RANGE_H
#define MW_STORE_PAGE_MAPPED_RANGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mw_mapped_range {
  uintptr_t base;
  size_t size;
  _Atomic bool faulted;
};

/* Watches `size` bytes from `base` until mw_mapped_range_unwatch(). Borrows `range`. Any thread. */
void mw_mapped_range_watch(struct mw_mapped_range *range, const void *base, size_t size);

/* Ends the watch; nothing reads the map any more. Allowed for a range that was never watched. */
void mw_mapped_range_unwatch(struct mw_mapped_range *range);

#endif
