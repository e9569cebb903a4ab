#include "store_gate.h"

#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>

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

void set_gate(bool closed, int failures) {
  pthread_mutex_lock(&gate_lock);
  gate_closed = closed;
  sync_failures = failures;
  pthread_cond_broadcast(&gate_moved);
  pthread_mutex_unlock(&gate_lock);
}

void await_writer(void) {
  pthread_mutex_lock(&gate_lock);
  while (waiting == 0) pthread_cond_wait(&gate_moved, &gate_lock);
  pthread_mutex_unlock(&gate_lock);
}

void hold(struct fixture *f, struct outcome *outcome) {
  set_gate(true, 0);
  mw_store_commit(f->store, txn_put("held", "up"), &f->loop, take_outcome, outcome);
  await_writer();
}
