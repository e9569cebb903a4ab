/* Blocking work of a fiber: a C function that runs on a thread of libuv's pool while the fiber waits.
 *
 *   struct counting {
 *     struct mw_work work;                                     (first)
 *     const char *path;
 *     size_t count;
 *   };
 *   static int count(struct mw_work *work) { ... }             (on the pool; returns 0 or an errno)
 *   static int push_count(lua_State *L, struct mw_work *work)  (in the fiber; returns the number of results)
 *   static int l_count(lua_State *L) {
 *     struct counting *c = mw_work_push(L, sizeof *c, "mw.count");
 *     c->path = luaL_checkstring(L, 1);                        (stays on the stack while the fiber waits)
 *     c->work.run = count;
 *     c->work.deliver = push_count;
 *     return mw_work_wait(L, &c->work);
 *   }
 *
 * A work is a userdata on the stack of the waiting coroutine. Nothing can resume or close that coroutine meanwhile
 * (script/libs/coroutine.c), so the values on its stack stay alive and in place. A killed fiber waits for the end of
 * the work. The pool then releases the results of the work, such as a file or memory, before the fiber goes on.
 *
 * A work that fails for lack of a file descriptor is released and runs once more, after a collection has closed the
 * descriptors of unreachable values. */
#ifndef MW_BIND_FILES_WORK_H
#define MW_BIND_FILES_WORK_H

#include "script/state/fiber.h"

struct mw_work {
  uv_work_t request;
  struct mw_post post; /* resumes the fiber: libuv reports all finished works at once */
  struct mw_fiber *fiber;
  bool *busy;                    /* set until the fiber has the outcome; or NULL */
  int error;                     /* result of `run` */
  bool again;                    /* this is the second run, after there was no free descriptor */
  size_t reserved, limit;        /* bytes counted by mw_work_reserve(), and their limit */
  atomic_size_t *total_reserved; /* bytes of all works of the worker; outlives them, while the fiber may not */
  int (*run)(struct mw_work *work);
  int (*deliver)(lua_State *L, struct mw_work *work);
  void (*release)(struct mw_work *work); /* frees undelivered results of `run`; any thread, once or more; or NULL */
};

/* Pushes a zeroed work of `size` bytes, a struct that begins with a struct mw_work. Where a wait is not possible,
 * raises "WHAT cannot wait here: ...". */
void *mw_work_push(lua_State *L, size_t size, const char *what);

/* For `run`: counts bytes before their allocation, until they are released. If the works of the worker would hold more
 * than limits.memory_bytes, counts nothing and returns false. */
bool mw_work_reserve(struct mw_work *work, size_t bytes);

/* Runs the work at the top of the stack. Returns the result of `deliver`, which the binding returns. */
int mw_work_wait(lua_State *L, struct mw_work *work);

#endif
