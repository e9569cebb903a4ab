/* Blocking work of a fiber: a C function that runs on a thread of libuv's pool while the fiber waits.
 *
 *   struct counting {
 *     struct mw_work work;                                     (first)
 *     const char *path;
 *     size_t count;
 *   };
 *   static int count(struct mw_work *work) { ... }             (on the pool; returns 0 or an errno)
 *   static int push_count(lua_State *L, struct mw_work *work)  (in the fiber; returns how many results it pushed)
 *   static int l_count(lua_State *L) {
 *     struct counting *c = mw_work_push(L, sizeof *c, "mw.count");
 *     c->path = luaL_checkstring(L, 1);                        (stays on the stack while the fiber waits)
 *     c->work.run = count;
 *     c->work.deliver = push_count;
 *     return mw_work_wait(L, &c->work);
 *   }
 *
 * A work is a userdata on the stack of the coroutine that waits, which nobody can resume or close meanwhile
 * (script/coroutine.c): what is on the stack stays alive and where it is. A fiber that is killed waits for the work to
 * end; what the work holds then (a file, memory) is released unseen, on the pool as well, before the fiber goes on.
 *
 * One that fails for want of a file descriptor is released and run once more, after those of values that scripts have
 * forgotten were closed. */
#ifndef MW_BIND_WORK_H
#define MW_BIND_WORK_H

#include "script/fiber.h"

struct mw_work {
  uv_work_t request;
  struct mw_post post; /* resumes the fiber: libuv reports all works that have ended at once */
  struct mw_fiber *fiber;
  bool *busy; /* set until the fiber has the outcome; NULL for none */
  int error;  /* what `run` returned */
  bool again; /* it was run again: there was no free descriptor */
  size_t held, limit;     /* bytes: mw_work_hold() */
  atomic_size_t *holding; /* of all works of the worker, which outlives them; the fiber may not */
  int (*run)(struct mw_work *work);
  int (*deliver)(lua_State *L, struct mw_work *work);
  void (*release)(struct mw_work *work); /* frees what `run` made and nobody took; any thread, once or more; or NULL */
};

/* Pushes a cleared work of `size` bytes, a struct that begins with a struct mw_work. Raises "WHAT cannot wait here:
 * ..." where that is so. */
void *mw_work_push(lua_State *L, size_t size, const char *what);

/* In `run`: counts bytes that it is about to allocate, until they are released. Returns false, with nothing counted, when the
 * works of the worker would hold more than limits.memory_bytes. */
bool mw_work_hold(struct mw_work *work, size_t bytes);

/* Runs the work at the top of the stack and returns what `deliver` does. A binding returns this. */
int mw_work_wait(lua_State *L, struct mw_work *work);

#endif
