#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cli/test/test.h"

static void end_all(int number) { kill(0, SIGKILL); }

/* Checks the parent at the end: it may have ended before the death signal was set. */
bool mw_test_end_with_parent(const char *parent) {
  struct sigaction action = {.sa_handler = end_all};
  if (getpgrp() != getpid()) return false;
  sigemptyset(&action.sa_mask);
  if (sigaction(SIGTERM, &action, NULL) != 0 || prctl(PR_SET_PDEATHSIG, SIGTERM) != 0) return false;
  if (getppid() != strtol(parent, NULL, 10)) end_all(SIGTERM);
  return true;
}
