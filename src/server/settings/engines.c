#include "server/settings/engines.h"

#include <string.h>

#include "engine/core/core.h"
#include "engine/http/http.h"

const struct mw_engine_ops *mw_server_engine(const char *name) {
  static const struct mw_engine_ops *const engines[] = {&mw_engine_core, &mw_engine_http};
  for (size_t i = 0; i < sizeof engines / sizeof *engines; i++) {
    if (strcmp(engines[i]->name, name) == 0) return engines[i];
  }
  return NULL;
}
