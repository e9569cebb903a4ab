#include "cli/aside.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static void print(const struct mw_buf *text) {
  for (size_t done = 0; done < text->len;) {
    ssize_t n = write(STDOUT_FILENO, text->data + done, text->len - done);
    if (n < 0 && errno != EINTR) return;
    if (n > 0) done += (size_t)n;
  }
}

static void *thread_main(void *arg) {
  struct mw_buf *text = arg;
  print(text);
  mw_buf_fini(text);
  free(text);
  return NULL;
}

void mw_aside_print(struct mw_buf *text, int64_t ns) {
  struct mw_buf *own = malloc(sizeof *own);
  pthread_t thread;
  if (own) *own = *text;
  if (!own || pthread_create(&thread, NULL, thread_main, own) != 0) {
    print(text);
    mw_buf_fini(text);
    free(own);
    return;
  }
  int64_t due = mw_clock_after(mw_clock_real(), ns);
  struct timespec time = {due / MW_NS_PER_S, due % MW_NS_PER_S};
  if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &time) != 0) pthread_detach(thread);
}
