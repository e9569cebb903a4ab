/* Uses vfork(): only the child can ask the kernel to be killed with its parent, and a copy of a server's page tables
 * takes too long. */
#include "schema/load/subprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum { OUT, ERRORS, N_STREAMS };
enum {
  POLL_MS = 10,   /* interval of polling for the end, on kernels without pidfd */
  GRACE_MS = 1000 /* after the end or a kill: time for the rest of the output and for the process to go */
};

/* ---- pipes ---- */

/* The read end and the write end of each stream; -1 when closed. */
struct pipes {
  int read[N_STREAMS], write[N_STREAMS];
};

static void close_end(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

static void close_pipes(struct pipes *pipes) {
  for (int i = 0; i < N_STREAMS; i++) {
    close_end(&pipes->read[i]);
    close_end(&pipes->write[i]);
  }
}

static int open_pipes(struct pipes *pipes) {
  *pipes = (struct pipes){{-1, -1}, {-1, -1}};
  for (int i = 0; i < N_STREAMS; i++) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return errno;
    pipes->read[i] = ends[0];
    pipes->write[i] = ends[1];
  }
  return 0;
}

/* ---- running programs ---- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards the variables below, and the bounds */
static struct mw_list running = {&running, &running};    /* bounds with a running program */
static bool stopped_all;

static _Thread_local struct mw_subprocess_bounds *current;

void mw_subprocess_bound(struct mw_subprocess_bounds *bounds) { current = bounds; }

struct mw_subprocess_bounds *mw_subprocess_bounds(void) {
  return current;
}

/* Call it under the lock: a program whose `group` is set is not reaped yet, so the kernel cannot reuse its number. */
static void kill_group(const struct mw_subprocess_bounds *bounds) {
  if (bounds->group > 0) kill(-bounds->group, SIGKILL);
}

void mw_subprocess_stop(struct mw_subprocess_bounds *bounds) {
  pthread_mutex_lock(&lock);
  bounds->stopped = true;
  kill_group(bounds);
  pthread_mutex_unlock(&lock);
}

void mw_subprocess_stop_all(void) {
  pthread_mutex_lock(&lock);
  stopped_all = true;
  for (struct mw_list *node = running.next; node != &running; node = node->next) {
    kill_group(MW_CONTAINER(node, struct mw_subprocess_bounds, link));
  }
  pthread_mutex_unlock(&lock);
}

bool mw_subprocess_runs(const struct mw_subprocess_bounds *bounds) {
  pthread_mutex_lock(&lock);
  bool runs = bounds->group > 0;
  pthread_mutex_unlock(&lock);
  return runs;
}

static bool is_stopped(const struct mw_subprocess_bounds *bounds) {
  pthread_mutex_lock(&lock);
  bool stopped = bounds->stopped || stopped_all;
  pthread_mutex_unlock(&lock);
  return stopped;
}

/* Registers the program; from now on it can be stopped. */
static void register_program(struct mw_subprocess_bounds *bounds, pid_t pid) {
  pthread_mutex_lock(&lock);
  bounds->group = pid;
  mw_list_push(&running, &bounds->link);
  if (bounds->stopped || stopped_all) kill_group(bounds);
  pthread_mutex_unlock(&lock);
}

static void unregister_program(struct mw_subprocess_bounds *bounds) {
  pthread_mutex_lock(&lock);
  bounds->group = 0;
  mw_list_remove(&bounds->link);
  pthread_mutex_unlock(&lock);
}

/* ---- start ---- */

/* Runs in the child, which may share the parent's memory until execvp(). Returns an errno. */
static int exec_program(const struct mw_command *command, const struct pipes *pipes, pid_t parent) {
  sigset_t none;
  sigemptyset(&none);
  struct sigaction by_default = {.sa_handler = SIG_DFL};
  int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null < 0 || setpgid(0, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return errno;
  if (getppid() != parent) _exit(1); /* the parent has already ended */
  if (dup2(null, STDIN_FILENO) < 0 || dup2(pipes->write[OUT], STDOUT_FILENO) < 0 ||
      dup2(pipes->write[ERRORS], STDERR_FILENO) < 0) {
    return errno;
  }
  for (size_t i = 0; i < command->n_inherited; i++) {
    if (fcntl(command->inherited[i], F_SETFD, 0) != 0) return errno;
  }
  if (chdir(command->dir) != 0 || sigaction(SIGPIPE, &by_default, NULL) != 0) return errno;
  sigprocmask(SIG_SETMASK, &none, NULL);
  /* execvp() does not write to the arguments, although its prototype allows it. */
  execvp(command->argv[0], (char *const *)(uintptr_t)command->argv);
  return errno;
}

/* Starts the child with signals blocked: no signal handler may run in it. On failure the child writes an errno to
 * `report`; execvp() closes it. */
static pid_t spawn_blocked(const struct mw_command *command, const struct pipes *pipes, int report) {
  pid_t parent = getpid();
  pid_t pid = vfork();
  if (pid != 0) return pid;
  int error = exec_program(command, pipes, parent);
  _exit(write(report, &error, sizeof error) == sizeof error ? 127 : 126);
}

/* Returns 0 or an errno. */
static int spawn(const struct mw_command *command, const struct pipes *pipes, pid_t *pid) {
  int report[2], error = 0;
  sigset_t all, before;
  if (pipe2(report, O_CLOEXEC) != 0) return errno;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  *pid = spawn_blocked(command, pipes, report[1]);
  if (*pid < 0) error = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  close(report[1]);
  int reported;
  if (*pid > 0 && read(report[0], &reported, sizeof reported) == sizeof reported) {
    error = reported;
    waitpid(*pid, NULL, 0);
  }
  close(report[0]);
  return error;
}

/* ---- output and end ---- */

struct run {
  const char *name;
  struct mw_subprocess_bounds *bounds;
  pid_t pid;
  int exit; /* pidfd, readable once the program has ended; -1 on kernels without pidfd */
  bool exited;
  struct pipes pipes;
  struct mw_buf *into[N_STREAMS];
  size_t starts[N_STREAMS];
  int64_t due; /* deadline, mw_clock_real() */
  struct mw_err *err;
};

/* Reads available output of a stream, and closes the read end once the stream has ended. Returns 0, MW_ENOMEM or
 * MW_EIO. */
static int drain(int *fd, struct mw_buf *into) {
  if (mw_buf_reserve(into, 65536) != 0) return MW_ENOMEM;
  ssize_t got = read(*fd, into->data + into->len, into->cap - into->len - 1);
  if (got < 0) return errno == EINTR ? 0 : MW_EIO;
  into->len += (size_t)got;
  into->data[into->len] = 0;
  if (got == 0) close_end(fd);
  return 0;
}

static bool has_exited(const struct run *run) {
  siginfo_t info = {0};
  return waitid(P_PID, (id_t)run->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == run->pid;
}

/* Kills the group. The rest of the output has GRACE_MS to arrive. */
static void kill_all(struct run *run) {
  kill(-run->pid, SIGKILL);
  run->due = mw_time_add(mw_clock_real(), GRACE_MS * (int64_t)MW_NS_PER_MS);
}

static bool is_over(const struct run *run) {
  return run->exited && run->pipes.read[OUT] < 0 && run->pipes.read[ERRORS] < 0;
}

/* Waits for output, the end or a bound, and reads the output. Returns 0, MW_EIO or MW_ENOMEM. */
static int wait_once(struct run *run) {
  enum { EXIT = N_STREAMS, N_FDS };
  struct pollfd ready[N_FDS];
  for (int i = 0; i < N_STREAMS; i++) ready[i] = (struct pollfd){.fd = run->pipes.read[i], .events = POLLIN};
  ready[EXIT] = (struct pollfd){.fd = run->exited ? -1 : run->exit, .events = POLLIN};
  int64_t left = (run->due - mw_clock_real()) / MW_NS_PER_MS + 1;
  if (run->exit < 0 && !run->exited && left > POLL_MS) left = POLL_MS;
  if (left < 0) left = 0;
  if (poll(ready, N_FDS, left < INT32_MAX ? (int)left : INT32_MAX) < 0) return errno == EINTR ? 0 : MW_EIO;
  int rc = 0;
  for (int i = 0; i < N_STREAMS && rc == 0; i++) {
    if (ready[i].revents) rc = drain(&run->pipes.read[i], run->into[i]);
  }
  return rc;
}

/* Returns 0, or MW_ELIMIT if the program has exceeded a bound. The bound of time applies until the program ends. */
static int check_bounds(struct run *run) {
  size_t out = run->into[OUT]->len - run->starts[OUT], errors = run->into[ERRORS]->len - run->starts[ERRORS];
  size_t limit = run->bounds->out_bytes ? run->bounds->out_bytes : MW_SUBPROCESS_OUT_BYTES;
  if (out > limit) {
    return mw_err_set(run->err, MW_ELIMIT, "%s: wrote more than %zu MiB and was killed", run->name, limit >> 20);
  }
  if (errors > MW_SUBPROCESS_ERROR_BYTES) {
    return mw_err_set(run->err, MW_ELIMIT, "%s: wrote more than %d MiB of errors and was killed", run->name,
                      MW_SUBPROCESS_ERROR_BYTES >> 20);
  }
  if (run->exited || mw_clock_real() < run->due) return 0;
  int64_t time = run->bounds->time ? run->bounds->time : MW_SUBPROCESS_SECONDS * (int64_t)MW_NS_PER_S;
  return mw_err_set(run->err, MW_ELIMIT, "%s: did not end within %g s and was killed", run->name,
                    (double)time / MW_NS_PER_S);
}

/* Reads until the program and both streams have ended. Both are read, because a full pipe would block the program. */
static int collect(struct run *run) {
  int rc = 0;
  while (rc == 0 && !is_over(run)) {
    rc = wait_once(run);
    if (rc != 0) mw_err_set(run->err, rc, "%s: its output cannot be read: %s", run->name, mw_err_name(rc));
    if (rc == 0) rc = check_bounds(run);
    if (run->exited && mw_clock_real() >= run->due) break; /* a process outside the group keeps the streams open */
    if (run->exited || !has_exited(run)) continue;
    run->exited = true;
    kill_all(run); /* processes that the program started */
  }
  return rc;
}

/* Waits for the end of a killed program, for a limited time: the program may wait for a disk. A program that ends later
 * is not reaped. */
static void wait_killed(struct run *run) {
  while (!run->exited && mw_clock_real() < run->due) {
    poll(&(struct pollfd){.fd = run->exit, .events = POLLIN}, 1, POLL_MS);
    run->exited = has_exited(run);
  }
}

static int reap(struct run *run, int *status) {
  int raw;
  if (!run->exited || waitpid(run->pid, &raw, 0) < 0) return MW_EIO;
  *status = WIFSIGNALED(raw) ? 128 + WTERMSIG(raw) : WEXITSTATUS(raw);
  return 0;
}

static int run_started(struct run *run, int *status) {
  int rc = collect(run);
  if (rc != 0) {
    kill_all(run);
    wait_killed(run);
  }
  bool stopped = is_stopped(run->bounds);
  unregister_program(run->bounds);
  int reaped = reap(run, status);
  if (stopped) return mw_err_set(run->err, MW_ECLOSED, "%s: was stopped", run->name);
  if (rc != 0) return rc;
  return reaped == 0 ? 0 : mw_err_set(run->err, reaped, "%s: its exit status cannot be read", run->name);
}

int mw_subprocess_run(const struct mw_command *command, struct mw_buf *out, struct mw_buf *errors, int *status,
                      struct mw_err *err) {
  struct mw_subprocess_bounds defaults = {0}, *bounds = current ? current : &defaults;
  struct run run = {
      .name = command->argv[0], .bounds = bounds, .into = {out, errors}, .starts = {out->len, errors->len}, .err = err};
  if (is_stopped(bounds)) return mw_err_set(err, MW_ECLOSED, "%s: was stopped", run.name);
  int64_t time = bounds->time ? bounds->time : MW_SUBPROCESS_SECONDS * (int64_t)MW_NS_PER_S;
  run.due = mw_time_add(mw_clock_real(), time);
  int failure = open_pipes(&run.pipes);
  if (failure == 0) failure = spawn(command, &run.pipes, &run.pid);
  if (failure != 0) {
    close_pipes(&run.pipes);
    int code = failure == ENOMEM ? MW_ENOMEM : failure == ENOENT ? MW_ENOTFOUND : MW_EIO;
    return mw_err_set(err, code, "%s: cannot be run: %s", run.name, strerror(failure));
  }
  register_program(bounds, run.pid);
  close_end(&run.pipes.write[OUT]);
  close_end(&run.pipes.write[ERRORS]);
  run.exit = (int)syscall(SYS_pidfd_open, run.pid, 0);
  int rc = run_started(&run, status);
  close_pipes(&run.pipes);
  close_end(&run.exit);
  return rc;
}
