/* Makes allocations fail on purpose. A test that includes this is linked so that every malloc, calloc, realloc,
 * strdup, strndup, aligned_alloc, posix_memalign and vasprintf of the project's code can fail, but none inside
 * shared libraries. Every allocation from an arena can fail too, which otherwise fails only when the arena grows.
 * Failures affect only the thread that started them. */
#ifndef MW_TEST_FAILMALLOC_H
#define MW_TEST_FAILMALLOC_H

#include <stdbool.h>
#include <stddef.h>

/* Makes the `nth` further allocation of this thread, from 1, return NULL; with `onwards` every later one too. */
void failmalloc_start(size_t nth, bool onwards);

/* Ends the failures. Returns their number. */
size_t failmalloc_stop(void);

/* Runs `scenario(arg)` repeatedly: first with its 1st allocation failing, then the 2nd, and so on until none is left
 * to fail; then all of it once more with every later allocation failing too. The scenario cleans up after itself and
 * returns 0 or a negative MW_E* code. A run with a failed allocation must return 0 (the failure did not matter) or
 * MW_ENOMEM; a run without must return 0. Otherwise fails the cmocka test. */
void failmalloc_sweep(int (*scenario)(void *arg), void *arg);

#endif
