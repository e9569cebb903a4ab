#include "cli/admin/admin_client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/admin/admin.h"

enum { ACTIVITY_SECONDS = 2 };

/* Connects to the server of a data folder. Returns the connection or an error. MW_ELIMIT, with `late` set, if the
 * server's queue stays full for `seconds`. */
static int connect_to(const char *data, double seconds, bool *late, struct mw_err *err) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int len = snprintf(address.sun_path, sizeof address.sun_path, "%s/" MW_ADMIN_SOCKET, data);
  if (len < 0 || (size_t)len >= sizeof address.sun_path) {
    return mw_err_set(err, MW_ELIMIT, "%s/" MW_ADMIN_SOCKET " is too long for the path of a socket", data);
  }
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct timeval time = {(time_t)seconds, (suseconds_t)((seconds - (double)(time_t)seconds) * 1e6)};
  if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
  if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  int failed = errno;
  if (fd >= 0) close(fd);
  *late = failed == EAGAIN;
  if (*late) return mw_err_set(err, MW_ELIMIT, "%s: no connection within the timeout", address.sun_path);
  if (failed == ENOENT || failed == ENOTDIR || failed == ECONNREFUSED) {
    return mw_err_set(err, MW_ENOTFOUND,
                      "no server is running on the data folder %s: name the project folder that it "
                      "serves, or its data folder with --data",
                      data);
  }
  if (failed == EACCES) {
    return mw_err_set(err, MW_EBUSY, "%s: only the user who runs the server may do this", address.sun_path);
  }
  return mw_err_set(err, MW_EIO, "%s: %s", address.sun_path, strerror(failed));
}

/* Waits for bytes or the end of the stream. Returns 0, MW_ELIMIT after `due`, or MW_EIO. */
static int await(int fd, int64_t due, struct mw_err *err) {
  for (;;) {
    int64_t left = due - mw_clock_real();
    if (left <= 0) return mw_err_set(err, MW_ELIMIT, "no answer in time");
    struct timespec time = {left / MW_NS_PER_S, left % MW_NS_PER_S};
    int n = ppoll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, &time, NULL);
    if (n > 0) return 0;
    if (n < 0 && errno != EINTR) return mw_err_set(err, MW_EIO, "cannot ask the server: %s", strerror(errno));
  }
}

static int exchange(int fd, struct mw_slice line, int64_t due, struct mw_buf *answer, struct mw_err *err) {
  if (send(fd, line.data, line.len, MSG_NOSIGNAL) != (ssize_t)line.len) {
    return mw_err_set(err, MW_EIO, "cannot ask the server: %s", strerror(errno));
  }
  ssize_t n;
  do {
    if (mw_buf_reserve(answer, 4096) != 0) return mw_err_set(err, MW_ENOMEM, "out of memory");
    int rc = await(fd, due, err);
    if (rc != 0) return rc;
    n = read(fd, answer->data + answer->len, 4095);
    if (n > 0) answer->len += (size_t)n;
  } while (n > 0 || (n < 0 && errno == EINTR));
  if (answer->len == 0) return mw_err_set(err, MW_ECLOSED, "the server has closed the connection without an answer");
  answer->data[answer->len] = '\0';
  return 0;
}

/* The same as mw_admin_send(), but sets `late` and returns MW_ELIMIT if no answer arrives in time. */
static int ask(const char *data, const char *command, const char *argument, double seconds, struct mw_buf *answer,
               bool *late, struct mw_err *err) {
  int64_t due = mw_time_add(mw_clock_real(), mw_duration_from_seconds(seconds));
  int fd = connect_to(data, seconds, late, err);
  if (fd < 0) return fd;
  struct mw_buf line = MW_BUF_INIT;
  int rc = mw_buf_printf(&line, "%s%s%s\n", command, *argument ? " " : "", argument);
  if (rc == 0) rc = exchange(fd, mw_buf_slice(&line), due, answer, err);
  *late = rc == MW_ELIMIT;
  mw_buf_fini(&line);
  close(fd);
  return rc;
}

/* Reports the server's activity in place of an answer. */
static int explain(const char *data, double seconds, struct mw_err *err) {
  struct mw_buf answer = MW_BUF_INIT;
  bool late = false;
  const char *activity;
  bool told = ask(data, "activity", "", ACTIVITY_SECONDS, &answer, &late, NULL) == 0 &&
              mw_ask_succeeded(&answer, &activity);
  if (told) {
    mw_err_set(err, MW_ECLOSED, "the server has not answered within %g s (--timeout): %.*s", seconds,
               (int)strcspn(activity, "\n"), activity);
  } else {
    mw_err_set(err, MW_ECLOSED,
               "the server has not answered within %g s (--timeout), and does not report its activity: its "
               "process is stopped, or its control thread waits for a disk",
               seconds);
  }
  mw_buf_fini(&answer);
  return MW_ECLOSED;
}

int mw_admin_send(const char *data, const char *command, const char *argument, double seconds, struct mw_buf *answer,
                  struct mw_err *err) {
  bool late = false;
  int rc = ask(data, command, argument, seconds, answer, &late, err);
  return late ? explain(data, seconds, err) : rc;
}

bool mw_ask_seconds(const char *text, double *out) {
  char *end;
  *out = strtod(text, &end);
  return *text && !*end && *out >= 0.1 && *out <= 86400;
}

bool mw_ask_succeeded(struct mw_buf *answer, const char **text) {
  const char *whole = mw_buf_str(answer);
  const char *newline = strchr(whole, '\n');
  *text = newline ? newline + 1 : whole;
  return strncmp(whole, "ok\n", 3) == 0;
}
