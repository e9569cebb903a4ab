/* The struct of a store, for the files of this folder. */
#ifndef MW_STORE_STORE_IMPL_H
#define MW_STORE_STORE_IMPL_H

#include "store/sequence.h"
#include "store/watch.h"
#include "store/writer.h"

struct mw_store {
  struct mw_backend *backend;
  int64_t (*clock)(void);
  struct mw_watch_hub hub;
  struct mw_sequences sequences;
  struct mw_writer writer;
};

static inline bool mw_expired(const struct mw_record *record, int64_t now) {
  return record->expires != 0 && record->expires <= now;
}

#endif
