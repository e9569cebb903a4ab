#include "cli/base/bounded_print.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/thread.h"

static void print(void *arg) {
  const struct mw_buf *text = arg;
  for (size_t done = 0; done < text->len;) {
    ssize_t n = write(STDOUT_FILENO, text->data + done, text->len - done);
    if (n < 0 && errno != EINTR) return;
    if (n > 0) done += (size_t)n;
  }
}

static void release(void *arg) {
  mw_buf_fini(arg);
  free(arg);
}

void mw_print_bounded(struct mw_buf *text, int64_t ns) {
  struct mw_buf *own = malloc(sizeof *own);
  struct mw_thread *thread;
  if (own) *own = *text;
  if (own && mw_thread_start(&thread, "stdout", print, release, own) == 0) {
    mw_thread_end(thread, ns);
    return;
  }
  print(text);
  mw_buf_fini(text);
  free(own);
}
