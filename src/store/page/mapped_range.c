#include "store/page/mapped_range.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

/* The handler reads slots without a lock: all fields of a range are set before its pointer is stored. */
enum { SLOTS = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct mw_mapped_range *_Atomic slots[SLOTS];
static struct sigaction before;
static size_t page_size;

static struct mw_mapped_range *find(uintptr_t address) {
  for (size_t i = 0; i < SLOTS; i++) {
    struct mw_mapped_range *range = atomic_load(&slots[i]);
    if (range && address - range->base < range->size) return range;
  }
  return NULL;
}

static void on_fault(int number, siginfo_t *info, void *context) {
  struct mw_mapped_range *range = info->si_code > 0 ? find((uintptr_t)info->si_addr) : NULL;
  if (range) {
    uintptr_t page = (uintptr_t)info->si_addr & ~(page_size - 1);
    void *at = (void *)page; /* NOLINT: an address that the kernel reports */
    atomic_store(&range->faulted, true);
    if (mmap(at, page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at) return;
  }
  /* Restores the previous handler. A faulting instruction runs again and faults there; a signal sent by a process is
   * raised again. */
  sigaction(SIGBUS, &before, NULL);
  if (info->si_code <= 0) raise(number);
}

/* Installs the handler unless it is installed. Under the lock. */
static void install(void) {
  page_size = (size_t)sysconf(_SC_PAGESIZE);
  struct sigaction now, action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGBUS, NULL, &now) != 0 || (now.sa_flags & SA_SIGINFO && now.sa_sigaction == on_fault)) return;
  before = now;
  sigaction(SIGBUS, &action, NULL);
}

void mw_mapped_range_watch(struct mw_mapped_range *range, const void *base, size_t size) {
  pthread_mutex_lock(&lock);
  install();
  range->base = (uintptr_t)base;
  range->size = size;
  atomic_store(&range->faulted, false);
  for (size_t i = 0; i < SLOTS; i++) {
    if (atomic_load(&slots[i])) continue;
    atomic_store(&slots[i], range);
    break;
  }
  pthread_mutex_unlock(&lock);
}

void mw_mapped_range_unwatch(struct mw_mapped_range *range) {
  pthread_mutex_lock(&lock);
  for (size_t i = 0; i < SLOTS; i++) {
    if (atomic_load(&slots[i]) == range) atomic_store(&slots[i], NULL);
  }
  pthread_mutex_unlock(&lock);
}
