#include "server/admin/admin.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/acceptor.h"
#include "observe/log_output.h"
#include "server/admin/cancel_call.h"
#include "server/admin/status.h"

enum { LINE_LIMIT = PATH_MAX + 64, CLIENTS = 16, LOG_NS = 50 * MW_NS_PER_MS };
static const int64_t patience = 5 * (int64_t)MW_NS_PER_S; /* nanoseconds to send a line, and to receive an answer */

struct mw_admin {
  struct mw_workers workers;
  struct mw_reload *reload;
  int64_t opened;
  struct mw_acceptors acceptors;
  struct mw_list clients;
  unsigned n_clients;
  char *path; /* path of the socket */
};

/* A connection. While its command runs, it is neither read nor timed, so that it outlives the command. */
struct client {
  struct mw_list link;
  struct mw_admin *admin;
  uv_pipe_t pipe;
  uv_write_t write;
  struct mw_timer *timer;
  char line[LINE_LIMIT + 1];
  size_t len;
  struct mw_buf answer;
};

/* ---- connections ---- */

static void on_closed(uv_handle_t *handle) {
  struct client *client = MW_CONTAINER(handle, struct client, pipe);
  mw_buf_fini(&client->answer);
  free(client);
}

static void drop(struct client *client) {
  if (uv_is_closing((uv_handle_t *)&client->pipe)) return;
  mw_timer_stop(client->timer);
  client->timer = NULL;
  mw_list_remove(&client->link);
  client->admin->n_clients--;
  uv_close((uv_handle_t *)&client->pipe, on_closed);
  mw_acceptors_reserve(&client->admin->acceptors);
}

static void on_late(void *arg) {
  struct client *client = arg;
  client->timer = NULL;
  drop(client);
}

static void on_written(uv_write_t *write, int status) { drop(MW_CONTAINER(write, struct client, write)); }

/* Sends the answer of a command and ends the connection. First flushes the log, for at most LOG_NS: unless its reader
 * is slow, the log has the lines of the command before the client has the answer. */
static void answer(void *arg, bool ok, const char *text) {
  struct client *client = arg;
  mw_log_flush(LOG_NS);
  client->timer = mw_timer_start(client->admin->workers.home, patience, on_late, client);
  size_t len = strlen(text);
  bool ended = len > 0 && text[len - 1] == '\n';
  if (mw_buf_printf(&client->answer, "%s\n%s%s", ok ? "ok" : "error", text, ended ? "" : "\n") != 0) {
    drop(client);
    return;
  }
  uv_buf_t bytes = uv_buf_init((char *)client->answer.data, (unsigned)client->answer.len);
  if (uv_write(&client->write, (uv_stream_t *)&client->pipe, &bytes, 1, on_written) != 0) drop(client);
}

/* ---- commands ---- */

/* Parses a whole number without a sign. */
static bool to_number(const char *text, uint64_t *out) {
  char *end;
  errno = 0;
  *out = strtoull(text, &end, 10);
  return *text >= '0' && *text <= '9' && !*end && errno == 0;
}

static void run_status(struct client *client, const char *argument) {
  struct mw_admin *admin = client->admin;
  mw_server_status(&admin->workers, admin->reload, admin->opened, answer, client);
}

static void run_activity(struct client *client, const char *argument) {
  char text[128];
  mw_reload_describe(client->admin->reload, text, sizeof text);
  answer(client, true, text);
}

static void run_reload(struct client *client, const char *argument) {
  mw_reload_start(client->admin->reload, strcmp(argument, "force") == 0, answer, client);
}

static bool same_folder(const char *a, const char *b) {
  struct stat first, second;
  return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

static void run_check(struct client *client, const char *argument) {
  const char *dir = client->admin->workers.workers[0].shared->dir;
  if (same_folder(dir, argument)) {
    mw_reload_check(client->admin->reload, answer, client);
    return;
  }
  struct mw_buf text = MW_BUF_INIT;
  char real[PATH_MAX];
  mw_buf_printf(&text, "the server serves another folder, %s", realpath(dir, real) ? real : dir);
  answer(client, false, mw_buf_str(&text));
  mw_buf_fini(&text);
}

static void run_rollback(struct client *client, const char *argument) {
  uint64_t number = 0;
  if (*argument && (!to_number(argument, &number) || number == 0)) {
    answer(client, false, "rollback: expected the number of a generation");
  } else {
    mw_reload_rollback(client->admin->reload, number, answer, client);
  }
}

static void run_kill(struct client *client, const char *argument) {
  uint64_t id;
  if (to_number(argument, &id)) {
    mw_cancel_call(&client->admin->workers, id, answer, client);
  } else {
    answer(client, false, "kill: expected the number of a call");
  }
}

static const struct {
  const char *name;
  void (*run)(struct client *client, const char *argument);
} commands[] = {{"status", run_status}, {"activity", run_activity}, {"reload", run_reload},
                {"check", run_check},   {"rollback", run_rollback}, {"kill", run_kill}};

static void run_line(struct client *client) {
  char *argument = client->line + strcspn(client->line, " ");
  if (*argument) *argument++ = '\0';
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
    if (strcmp(client->line, commands[i].name) != 0) continue;
    commands[i].run(client, argument);
    return;
  }
  answer(client, false, "no such command: expected status, reload, check, rollback or kill");
}

/* ---- reading ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
  struct client *client = MW_CONTAINER(handle, struct client, pipe);
  *buf = uv_buf_init(client->line + client->len, (unsigned)(LINE_LIMIT - client->len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
  struct client *client = MW_CONTAINER(stream, struct client, pipe);
  if (n < 0) { /* disconnected; or UV_ENOBUFS: the line is too long */
    drop(client);
    return;
  }
  client->len += (size_t)n;
  char *newline = memchr(client->line, '\n', client->len);
  if (!newline) return;
  *newline = '\0';
  uv_read_stop(stream);
  mw_timer_stop(client->timer);
  client->timer = NULL;
  run_line(client);
}

static void on_accepted(void *arg, int fd, const struct sockaddr_storage *peer, socklen_t size) {
  struct mw_admin *admin = arg;
  struct client *client = admin->n_clients < CLIENTS ? calloc(1, sizeof *client) : NULL;
  if (!client) {
    close(fd);
    return;
  }
  client->admin = admin;
  uv_pipe_init(&admin->workers.home->uv, &client->pipe, 0);
  mw_list_push(&admin->clients, &client->link);
  admin->n_clients++;
  client->timer = mw_timer_start(admin->workers.home, patience, on_late, client);
  bool opened = uv_pipe_open(&client->pipe, fd) == 0;
  if (!opened) close(fd);
  if (!opened || !client->timer || uv_read_start((uv_stream_t *)&client->pipe, on_alloc, on_read) != 0) drop(client);
}

/* Does nothing: the client's command reports the failure. */
static void on_failed(void *arg, int error, bool waits) {}

/* ---- the socket ---- */

/* Returns a socket bound to the path. Sets its mode before binding, so that no other user can ever open it. */
static int bind_socket(const char *path, struct mw_err *err) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t len = strlen(path);
  if (len >= sizeof address.sun_path) {
    return mw_err_set(err, MW_ELIMIT,
                      "%s: a socket's path has at most %zu bytes, this one has %zu: use a data folder "
                      "with a shorter name",
                      path, sizeof address.sun_path - 1, len);
  }
  memcpy(address.sun_path, path, len);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return mw_err_set(err, MW_EIO, "%s: %s", path, strerror(errno));
  unlink(path);
  if (fchmod(fd, S_IRUSR | S_IWUSR) == 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  mw_err_set(err, MW_EIO, "%s: %s", path, strerror(errno));
  close(fd);
  return MW_EIO;
}

static int listen_on(struct mw_admin *admin, struct mw_err *err) {
  int fd = bind_socket(admin->path, err);
  if (fd < 0) return fd;
  int rc = listen(fd, CLIENTS) == 0 ? mw_acceptors_accept_from(&admin->acceptors, fd, admin->path, err)
                                    : mw_err_set(err, MW_EIO, "%s: %s", admin->path, strerror(errno));
  close(fd);
  if (rc != 0) unlink(admin->path);
  return rc;
}

static void free_admin(struct mw_admin *admin) {
  mw_acceptors_close(&admin->acceptors);
  free(admin->path);
  free(admin);
}

int mw_admin_open(struct mw_admin **out, const struct mw_workers *workers, struct mw_reload *reload,
                  const char *data_dir, struct mw_err *err) {
  struct mw_admin *admin = calloc(1, sizeof *admin);
  if (!admin || asprintf(&admin->path, "%s/" MW_ADMIN_SOCKET, data_dir) < 0) {
    free(admin);
    return mw_err_set(err, MW_ENOMEM, "out of memory");
  }
  admin->workers = *workers;
  admin->reload = reload;
  admin->opened = mw_clock_mono();
  mw_list_init(&admin->clients);
  mw_acceptors_init(&admin->acceptors, workers->home, on_accepted, on_failed, admin);
  admin->acceptors.spends = true;
  int rc = listen_on(admin, err);
  if (rc == 0) {
    *out = admin;
  } else {
    free_admin(admin);
  }
  return rc;
}

void mw_admin_close(struct mw_admin *admin) {
  if (!admin) return;
  unlink(admin->path);
  while (!mw_list_empty(&admin->clients)) drop(MW_CONTAINER(admin->clients.next, struct client, link));
  free_admin(admin);
}
