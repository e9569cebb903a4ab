/* The bytes that one worker holds for scripts and callers, counted against a limit.
 *
 * Lua's allocator (script/state/vm.c) updates `used` itself. A buffer or an arena with a quota calls mw_quota_reserve()
 * before it allocates and mw_quota_release() when it frees; those bytes count in `used` and in `outside`. One thread at
 * a time. */
#ifndef MW_BASE_QUOTA_H
#define MW_BASE_QUOTA_H

#include <stdbool.h>
#include <stddef.h>

struct mw_quota {
  size_t used;    /* bytes in all */
  size_t outside; /* bytes of buffers and arenas, not of Lua */
  size_t limit;   /* greatest value of `used`; 0 for no limit */
};

/* Reserves `bytes`. Returns false, with nothing reserved, if they would exceed the limit. Returns true if `quota` is
 * NULL. */
static inline bool mw_quota_reserve(struct mw_quota *quota, size_t bytes) {
  if (!quota) return true;
  if (quota->limit > 0 && (quota->used > quota->limit || bytes > quota->limit - quota->used)) return false;
  quota->used += bytes;
  quota->outside += bytes;
  return true;
}

/* Returns reserved `bytes` to the quota. */
static inline void mw_quota_release(struct mw_quota *quota, size_t bytes) {
  if (!quota) return;
  quota->used -= bytes;
  quota->outside -= bytes;
}

#endif
