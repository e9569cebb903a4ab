#include "server/admin/cancel_call.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* State of a search for a call. At most one worker has the call, and only that worker writes the outcome. */
struct search {
  uint64_t id;
  bool killed;
  char text[256];
  void (*done)(void *arg, bool killed, const char *text);
  void *arg;
};

static void ask(void *arg, struct mw_worker *worker) {
  struct search *search = arg;
  struct mw_list *calls = &worker->dispatch.calls;
  for (struct mw_list *node = calls->next; node != calls; node = node->next) {
    struct mw_call *call = MW_CONTAINER(node, struct mw_call, link);
    if (call->id != search->id) continue;
    const char *method = call->route->method->path + 1;
    if (call->cancelled) {
      snprintf(search->text, sizeof search->text, "call %" PRIu64 " of %s is ending already", search->id, method);
      return;
    }
    search->killed = true;
    snprintf(search->text, sizeof search->text, "killed call %" PRIu64 " of %s", search->id, method);
    struct mw_log_field fields[] = {{"peer", call->peer}, {NULL, NULL}};
    mw_log(MW_LOG_WARN, fields, "%s", search->text);
    mw_call_on_cancel(call, mw_status(MW_CODE_CANCELLED, "killed by the operator"));
    return;
  }
}

static void finish(void *arg) {
  struct search *search = arg;
  if (!*search->text) {
    snprintf(search->text, sizeof search->text, "no call %" PRIu64 " is live: moonwire status lists them", search->id);
  }
  search->done(search->arg, search->killed, search->text);
  free(search);
}

void mw_cancel_call(const struct mw_workers *workers, uint64_t id,
                    void (*done)(void *arg, bool killed, const char *text), void *arg) {
  struct search *search = malloc(sizeof *search);
  if (search) *search = (struct search){.id = id, .done = done, .arg = arg};
  if (search && mw_broadcast(workers, &(struct mw_broadcast){.ask = ask, .done = finish}, search) == 0) return;
  free(search);
  done(arg, false, "out of memory");
}
