#include "base/thread.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"

struct mw_thread {
  pthread_t id;
  void (*run)(void *arg);
  void (*release)(void *arg);
  void *arg;
  pthread_mutex_t lock; /* guards the fields below */
  pthread_cond_t changed;
  bool ended, detached; /* `detached`: mw_thread_end() timed out, so the thread frees itself */
};

static void thread_free(struct mw_thread *thread) {
  thread->release(thread->arg);
  pthread_cond_destroy(&thread->changed);
  pthread_mutex_destroy(&thread->lock);
  free(thread);
}

static void *thread_main(void *arg) {
  struct mw_thread *thread = arg;
  thread->run(thread->arg);
  pthread_mutex_lock(&thread->lock);
  thread->ended = true;
  bool detached = thread->detached;
  pthread_cond_signal(&thread->changed);
  pthread_mutex_unlock(&thread->lock);
  if (detached) thread_free(thread);
  return NULL;
}

void mw_condition_init(pthread_cond_t *condition) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(condition, &attributes);
  pthread_condattr_destroy(&attributes);
}

bool mw_condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t due) {
  struct timespec time = {due / MW_NS_PER_S, due % MW_NS_PER_S};
  return pthread_cond_timedwait(condition, lock, &time) != ETIMEDOUT;
}

int mw_thread_start(struct mw_thread **out, const char *name, void (*run)(void *arg), void (*release)(void *arg),
                    void *arg) {
  struct mw_thread *thread = calloc(1, sizeof *thread);
  if (!thread) return MW_ENOMEM;
  thread->run = run;
  thread->release = release;
  thread->arg = arg;
  pthread_mutex_init(&thread->lock, NULL);
  mw_condition_init(&thread->changed);
  if (pthread_create(&thread->id, NULL, thread_main, thread) == 0) {
    pthread_setname_np(thread->id, name);
    *out = thread;
    return 0;
  }
  pthread_cond_destroy(&thread->changed);
  pthread_mutex_destroy(&thread->lock);
  free(thread);
  return MW_EIO;
}

bool mw_thread_end(struct mw_thread *thread, int64_t ns) {
  int64_t due = mw_time_add(mw_clock_real(), ns);
  pthread_mutex_lock(&thread->lock);
  while (!thread->ended && mw_condition_wait(&thread->changed, &thread->lock, due)) continue;
  bool ended = thread->ended;
  pthread_t id = thread->id;
  thread->detached = !ended;
  pthread_mutex_unlock(&thread->lock);
  if (ended) {
    pthread_join(id, NULL);
    thread_free(thread);
  } else {
    pthread_detach(id);
  }
  return ended;
}
