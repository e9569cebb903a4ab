/* A record in the file: 24 bytes, then the value.
 *
 *   revision (8, its highest bit set), checksum (8), expiry (8), value
 *
 * The checksum is the 64-bit XXH3 of expiry and value, with the XXH3 of key and revision as its seed, so that a
 * value under another key or revision fails. Format 1 had no checksum, and 16 bytes: revision and expiry. A store
 * created by it keeps such records readable up to the revision of its upgrade. */
#ifndef MW_STORE_PAGE_RECORD_H
#define MW_STORE_PAGE_RECORD_H

#include "base/err.h"
#include "store/backend/backend.h"

enum { MW_RECORD_HEADER = 24, MW_COUNTER_SIZE = 16 };

/* Writes header and value of `record` to `bytes`, of MW_RECORD_HEADER + record->value.len. */
void mw_record_write(const struct mw_record *record, uint8_t *bytes);

/* Reads the record of `key`; up to the revision `unchecksummed_until` it may be of format 1. Borrows both. Returns 0,
 * or MW_EDATA if the bytes differ from those written. */
int mw_record_read(struct mw_slice key, struct mw_slice bytes, uint64_t unchecksummed_until, struct mw_record *out);

/* Returns the expiry from the header alone; 0 for never. */
int64_t mw_record_expiry(struct mw_slice bytes);

/* A counter is its number and a checksum of number and name. The read returns 0 or MW_EDATA. */
void mw_counter_write(struct mw_slice name, uint64_t number, uint8_t *bytes);
int mw_counter_read(struct mw_slice name, struct mw_slice bytes, uint64_t *out);

#endif
