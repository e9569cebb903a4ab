#include "schema/subprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { OUT, ERRORS, N_STREAMS };

/* The reading and the writing end of each stream; -1 when closed. */
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

static int add_actions(posix_spawn_file_actions_t *actions, const struct mw_command *command,
                       const struct pipes *pipes) {
  int rc = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (rc == 0) rc = posix_spawn_file_actions_adddup2(actions, pipes->write[OUT], STDOUT_FILENO);
  if (rc == 0) rc = posix_spawn_file_actions_adddup2(actions, pipes->write[ERRORS], STDERR_FILENO);
  if (rc == 0 && command->inherited >= 0) { /* onto itself: clears close-on-exec */
    rc = posix_spawn_file_actions_adddup2(actions, command->inherited, command->inherited);
  }
  return rc == 0 ? posix_spawn_file_actions_addchdir_np(actions, command->dir) : rc;
}

/* The program gets the usual signals, whatever this thread blocks or ignores. */
static int add_signals(posix_spawnattr_t *attributes) {
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  int rc = posix_spawnattr_setsigmask(attributes, &none);
  if (rc == 0) rc = posix_spawnattr_setsigdefault(attributes, &defaults);
  if (rc == 0) rc = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  return rc;
}

/* Returns 0 or an errno. */
static int spawn(const struct mw_command *command, const struct pipes *pipes, pid_t *pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int rc = posix_spawn_file_actions_init(&actions);
  if (rc != 0) return rc;
  rc = posix_spawnattr_init(&attributes);
  if (rc == 0) {
    rc = add_actions(&actions, command, pipes);
    if (rc == 0) rc = add_signals(&attributes);
    if (rc == 0) {
      /* posix_spawn does not write to the arguments, whatever its prototype says. */
      rc = posix_spawnp(pid, command->argv[0], &actions, &attributes, (char *const *)(uintptr_t)command->argv, environ);
    }
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_destroy(&actions);
  return rc;
}

/* Reads what is there. Returns 0, or MW_ENOMEM or MW_EIO; closes the end when the stream has ended. */
static int drain(int *fd, struct mw_buf *into) {
  if (mw_buf_reserve(into, 65536) != 0) return MW_ENOMEM;
  ssize_t got = read(*fd, into->data + into->len, into->cap - into->len - 1);
  if (got < 0) return errno == EINTR ? 0 : MW_EIO;
  into->len += (size_t)got;
  into->data[into->len] = 0;
  if (got == 0) close_end(fd);
  return 0;
}

/* Reads both streams until both have ended: one alone could fill up and block the program. */
static int collect(struct pipes *pipes, struct mw_buf *out, struct mw_buf *errors) {
  struct mw_buf *into[N_STREAMS] = {out, errors};
  while (pipes->read[OUT] >= 0 || pipes->read[ERRORS] >= 0) {
    struct pollfd ready[N_STREAMS];
    for (int i = 0; i < N_STREAMS; i++) ready[i] = (struct pollfd){.fd = pipes->read[i], .events = POLLIN};
    if (poll(ready, N_STREAMS, -1) < 0) {
      if (errno == EINTR) continue;
      return MW_EIO;
    }
    for (int i = 0; i < N_STREAMS; i++) {
      int rc = ready[i].revents ? drain(&pipes->read[i], into[i]) : 0;
      if (rc != 0) return rc;
    }
  }
  return 0;
}

static int wait_for(pid_t pid, int *status) {
  int raw;
  while (waitpid(pid, &raw, 0) < 0) {
    if (errno != EINTR) return MW_EIO;
  }
  *status = WIFSIGNALED(raw) ? 128 + WTERMSIG(raw) : WEXITSTATUS(raw);
  return 0;
}

int mw_subprocess_run(const struct mw_command *command, struct mw_buf *out, struct mw_buf *errors, int *status,
                      struct mw_err *err) {
  const char *name = command->argv[0];
  struct pipes pipes;
  pid_t pid;
  int failure = open_pipes(&pipes);
  if (failure == 0) failure = spawn(command, &pipes, &pid);
  if (failure != 0) {
    close_pipes(&pipes);
    int code = failure == ENOMEM ? MW_ENOMEM : failure == ENOENT ? MW_ENOTFOUND : MW_EIO;
    return mw_err_set(err, code, "%s: cannot be run: %s", name, strerror(failure));
  }
  close_end(&pipes.write[OUT]);
  close_end(&pipes.write[ERRORS]);
  int rc = collect(&pipes, out, errors);
  close_pipes(&pipes); /* should we have given up, the program must not wait for us */
  int waited = wait_for(pid, status);
  if (rc == 0) rc = waited;
  return rc == 0 ? 0 : mw_err_set(err, rc, "%s: its output cannot be read: %s", name, mw_err_name(rc));
}
