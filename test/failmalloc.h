/* Makes allocations fail on purpose. A test that includes this is linked so that every malloc, calloc, realloc, strdup,
 * strndup, aligned_alloc, posix_memalign and vasprintf in our own code, and none inside of shared libraries, can be
 * made to fail; and every piece of an arena, which else would fail only where the arena grows. Only the thread that
 * started a failure sees it. */
#ifndef MW_TEST_FAILMALLOC_H
#define MW_TEST_FAILMALLOC_H

#include <stdbool.h>
#include <stddef.h>

/* From now on the `nth` allocation of this thread, from 1, returns NULL; with `onwards` every later one too. */
void failmalloc_start(size_t nth, bool onwards);

/* Allocations succeed again. Returns how many failed. */
size_t failmalloc_stop(void);

/* Runs `scenario(arg)` again and again: first with its 1st allocation failing, then the 2nd, and so on until none is
 * left to fail; then all of it once more with every later allocation failing too. The scenario cleans up after itself
 * and returns 0 or a negative MW_E* code.
 * A run in which an allocation failed must return 0 (the failure did not matter) or MW_ENOMEM; one in which none
 * failed must return 0. Fails the cmocka test otherwise. */
void failmalloc_sweep(int (*scenario)(void *arg), void *arg);

#endif
