/* Faults in mapped files. When a page of a watched map cannot be read, because the file was cut short or the disk
 * fails, the kernel sends SIGBUS; a handler for the whole process then maps a page of zeros in its place and notes the
 * fault. The reader goes on, and rejects the zeros. Faults elsewhere are handled as before. */
#ifndef MW_STORE_FAULT_H
#define MW_STORE_FAULT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mw_fault {
  uintptr_t base;
  size_t size;
  _Atomic bool seen;
};

/* Watches `size` bytes from `base` until mw_fault_unwatch(). Borrows `fault`. Any thread. */
void mw_fault_watch(struct mw_fault *fault, const void *base, size_t size);

/* Nothing reads the map any more. Allowed for a fault that was never watched. */
void mw_fault_unwatch(struct mw_fault *fault);

#endif
