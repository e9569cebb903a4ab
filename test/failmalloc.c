#include "failmalloc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/err.h"

static _Thread_local size_t until; /* number of allocations up to the failing one; 0 for none */
static _Thread_local size_t failed;
static _Thread_local bool all_later;

/* True if the present allocation has to fail. */
static bool fails(void) {
  if (until == 0 || --until > 0) return false;
  if (all_later) until = 1;
  failed++;
  errno = ENOMEM;
  return true;
}

void failmalloc_start(size_t nth, bool onwards) {
  until = nth;
  failed = 0;
  all_later = onwards;
}

size_t failmalloc_stop(void) {
  until = 0;
  return failed;
}

static void sweep(int (*scenario)(void *arg), void *arg, bool onwards) {
  for (size_t nth = 1;; nth++) {
    failmalloc_start(nth, onwards);
    int rc = scenario(arg);
    if (failmalloc_stop() == 0) {
      assert_int_equal(rc, 0);
      return;
    }
    if (rc != 0 && rc != MW_ENOMEM) fail_msg("allocation %zu failing: expected 0 or MW_ENOMEM, got %d", nth, rc);
  }
}

void failmalloc_sweep(int (*scenario)(void *arg), void *arg) {
  sweep(scenario, arg, false);
  sweep(scenario, arg, true);
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t len);
void *__real_aligned_alloc(size_t alignment, size_t size);
int __real_posix_memalign(void **out, size_t alignment, size_t size);
int __real_vasprintf(char **out, const char *fmt, va_list args);
void *__real_mw_arena_alloc(struct mw_arena *arena, size_t size);
void *__real_mw_arena_calloc(struct mw_arena *arena, size_t count, size_t size);
char *__real_mw_arena_strndup(struct mw_arena *arena, const char *text, size_t len);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t len);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
int __wrap_posix_memalign(void **out, size_t alignment, size_t size);
int __wrap_vasprintf(char **out, const char *fmt, va_list args);
void *__wrap_mw_arena_alloc(struct mw_arena *arena, size_t size);
void *__wrap_mw_arena_calloc(struct mw_arena *arena, size_t count, size_t size);
char *__wrap_mw_arena_strndup(struct mw_arena *arena, const char *text, size_t len);

void *__wrap_malloc(size_t size) { return fails() ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t count, size_t size) { return fails() ? NULL : __real_calloc(count, size); }
void *__wrap_realloc(void *old, size_t size) { return fails() ? NULL : __real_realloc(old, size); }
char *__wrap_strdup(const char *text) { return fails() ? NULL : __real_strdup(text); }
char *__wrap_strndup(const char *text, size_t len) { return fails() ? NULL : __real_strndup(text, len); }
void *__wrap_aligned_alloc(size_t alignment, size_t size) {
  return fails() ? NULL : __real_aligned_alloc(alignment, size);
}
int __wrap_posix_memalign(void **out, size_t alignment, size_t size) {
  return fails() ? ENOMEM : __real_posix_memalign(out, alignment, size);
}
int __wrap_vasprintf(char **out, const char *fmt, va_list args) {
  return fails() ? -1 : __real_vasprintf(out, fmt, args);
}
void *__wrap_mw_arena_alloc(struct mw_arena *arena, size_t size) {
  return fails() ? NULL : __real_mw_arena_alloc(arena, size);
}
void *__wrap_mw_arena_calloc(struct mw_arena *arena, size_t count, size_t size) {
  return fails() ? NULL : __real_mw_arena_calloc(arena, count, size);
}
char *__wrap_mw_arena_strndup(struct mw_arena *arena, const char *text, size_t len) {
  return fails() ? NULL : __real_mw_arena_strndup(arena, text, len);
}
