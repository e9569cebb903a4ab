#include "cli/call/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The process has one SIGINT. The handler may run on any thread, and reads only the atomics. */
static struct {
  uv_async_t async;
  void (*run)(void *arg);
  void *arg;
  int code;
  atomic_bool runs_loop, interrupted;
} interrupt;

static void on_async(uv_async_t *async) { interrupt.run(interrupt.arg); }

/* Does not call _exit(), which a sanitizer replaces by one that first reports to stderr. */
static void on_signal(int number) {
  bool again = atomic_exchange(&interrupt.interrupted, true);
  if (again || !atomic_load(&interrupt.runs_loop)) syscall(SYS_exit_group, interrupt.code);
  int error = errno;
  uv_async_send(&interrupt.async);
  errno = error;
}

int mw_interrupt_open(struct mw_loop *loop, void (*on_interrupt)(void *arg), void *arg, int code, struct mw_err *err) {
  interrupt.run = on_interrupt;
  interrupt.arg = arg;
  interrupt.code = code;
  int rc = uv_async_init(&loop->uv, &interrupt.async, on_async);
  if (rc != 0) return mw_err_set(err, MW_EIO, "cannot watch SIGINT: %s", uv_strerror(rc));
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGINT, &action, NULL) == 0) return 0;
  return mw_err_set(err, MW_EIO, "cannot watch SIGINT: %s", strerror(errno));
}

void mw_interrupt_run_loop(struct mw_loop *loop, uv_run_mode mode) {
  atomic_store(&interrupt.runs_loop, true);
  uv_run(&loop->uv, mode);
  atomic_store(&interrupt.runs_loop, false);
}
