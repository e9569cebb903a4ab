#include "server/admin/cancel_call.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* State of a search for a call. At most one worker has the call, and only that worker writes the outcome. */
struct hunt {
  uint64_t id;
  bool killed;
  char text[256];
  void (*done)(void *arg, bool killed, const char *text);
  void *arg;
};

static void ask(void *arg, struct mw_worker *worker) {
  struct hunt *hunt = arg;
  struct mw_list *calls = &worker->dispatch.calls;
  for (struct mw_list *node = calls->next; node != calls; node = node->next) {
    struct mw_call *call = MW_CONTAINER(node, struct mw_call, link);
    if (call->id != hunt->id) continue;
    const char *method = call->route->method->path + 1;
    if (call->cancelled) {
      snprintf(hunt->text, sizeof hunt->text, "call %" PRIu64 " of %s is ending already", hunt->id, method);
      return;
    }
    hunt->killed = true;
    snprintf(hunt->text, sizeof hunt->text, "killed call %" PRIu64 " of %s", hunt->id, method);
    struct mw_log_field fields[] = {{"peer", call->peer}, {NULL, NULL}};
    mw_log(MW_LOG_WARN, fields, "%s", hunt->text);
    mw_call_on_cancel(call, mw_status(MW_CODE_CANCELLED, "killed by the operator"));
    return;
  }
}

static void finish(void *arg) {
  struct hunt *hunt = arg;
  if (!*hunt->text) {
    snprintf(hunt->text, sizeof hunt->text, "no call %" PRIu64 " is live: moonwire status lists them", hunt->id);
  }
  hunt->done(hunt->arg, hunt->killed, hunt->text);
  free(hunt);
}

void mw_cancel_call(const struct mw_workers *crew, uint64_t id, void (*done)(void *arg, bool killed, const char *text),
                    void *arg) {
  struct hunt *hunt = malloc(sizeof *hunt);
  if (hunt) *hunt = (struct hunt){.id = id, .done = done, .arg = arg};
  if (hunt && mw_broadcast(crew, &(struct mw_broadcast){.ask = ask, .done = finish}, hunt) == 0) return;
  free(hunt);
  done(arg, false, "out of memory");
}
