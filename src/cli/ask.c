#include "cli/ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/admin.h"

/* A connection to the server of a data folder, or an error. */
static int connect_to(const char *data, struct mw_err *err) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int len = snprintf(address.sun_path, sizeof address.sun_path, "%s/" MW_ADMIN_SOCKET, data);
  if (len < 0 || (size_t)len >= sizeof address.sun_path) {
    return mw_err_set(err, MW_ELIMIT, "%s/" MW_ADMIN_SOCKET " is too long for the path of a socket", data);
  }
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  int failed = errno;
  if (fd >= 0) close(fd);
  if (failed == ENOENT || failed == ENOTDIR || failed == ECONNREFUSED) {
    return mw_err_set(err, MW_ENOTFOUND, "no server is running on the data folder %s: name the project folder that it "
                      "serves, or its data folder with --data", data);
  }
  if (failed == EACCES) {
    return mw_err_set(err, MW_EBUSY, "%s: only the user who runs the server may do this", address.sun_path);
  }
  return mw_err_set(err, MW_EIO, "%s: %s", address.sun_path, strerror(failed));
}

static int exchange(int fd, struct mw_slice line, struct mw_buf *answer, struct mw_err *err) {
  if (send(fd, line.data, line.len, MSG_NOSIGNAL) != (ssize_t)line.len) {
    return mw_err_set(err, MW_EIO, "cannot ask the server: %s", strerror(errno));
  }
  ssize_t n;
  do {
    if (mw_buf_reserve(answer, 4096) != 0) return mw_err_set(err, MW_ENOMEM, "out of memory");
    n = read(fd, answer->data + answer->len, 4095);
    if (n > 0) answer->len += (size_t)n;
  } while (n > 0 || (n < 0 && errno == EINTR));
  if (answer->len == 0) return mw_err_set(err, MW_ECLOSED, "the server has closed the connection without an answer");
  answer->data[answer->len] = '\0';
  return 0;
}

int mw_ask(const char *data, const char *command, const char *argument, struct mw_buf *answer, struct mw_err *err) {
  int fd = connect_to(data, err);
  if (fd < 0) return fd;
  struct mw_buf line = MW_BUF_INIT;
  int rc = mw_buf_printf(&line, "%s%s%s\n", command, *argument ? " " : "", argument);
  if (rc == 0) rc = exchange(fd, mw_buf_slice(&line), answer, err);
  mw_buf_fini(&line);
  close(fd);
  return rc;
}

bool mw_ask_succeeded(struct mw_buf *answer, const char **text) {
  const char *whole = mw_buf_str(answer);
  const char *newline = strchr(whole, '\n');
  *text = newline ? newline + 1 : whole;
  return strncmp(whole, "ok\n", 3) == 0;
}
