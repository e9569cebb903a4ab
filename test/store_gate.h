/* A disk that blocks or fails: fdatasync() replaces the C library's, also for LMDB. */
#ifndef MW_TEST_STORE_GATE_H
#define MW_TEST_STORE_GATE_H

#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>

#include "store_fixture.h"

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moved = PTHREAD_COND_INITIALIZER;
static bool gate_closed;
static int waiting, sync_failures; /* number of syncs that must still fail */

int fdatasync(int fd) {
  pthread_mutex_lock(&gate_lock);
  waiting++;
  pthread_cond_broadcast(&gate_moved);
  while (gate_closed) pthread_cond_wait(&gate_moved, &gate_lock);
  waiting--;
  bool fails = sync_failures > 0;
  sync_failures -= fails;
  pthread_mutex_unlock(&gate_lock);
  if (!fails) return (int)syscall(SYS_fdatasync, fd);
  errno = EIO;
  return -1;
}

static inline void set_gate(bool closed, int failures) {
  pthread_mutex_lock(&gate_lock);
  gate_closed = closed;
  sync_failures = failures;
  pthread_cond_broadcast(&gate_moved);
  pthread_mutex_unlock(&gate_lock);
}

/* Returns once the writer waits at the closed gate with a commit: later transactions belong to another batch. */
static inline void await_writer(void) {
  pthread_mutex_lock(&gate_lock);
  while (waiting == 0) pthread_cond_wait(&gate_moved, &gate_lock);
  pthread_mutex_unlock(&gate_lock);
}

/* Closes the gate and makes the writer wait at it with a commit of another key, so that later transactions form one
 * batch. */
static inline void hold(struct fixture *f, struct outcome *outcome) {
  set_gate(true, 0);
  mw_store_commit(f->store, txn_put("held", "up"), &f->loop, take_outcome, outcome);
  await_writer();
}

#endif
