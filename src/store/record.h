/* A record as the file holds it: 24 bytes, then the value.
 *
 *   revision (8, its highest bit set), checksum (8), expiry (8), value
 *
 * The checksum is XXH3's 64 bits over expiry and value, seeded with those over the key and the revision: a value under
 * another key or of another revision does not pass. Format 1 had no checksum and 16 bytes, revision and expiry; such
 * records stay readable in a store that was made by it, up to the revision at which it was upgraded. */
#ifndef MW_STORE_RECORD_H
#define MW_STORE_RECORD_H

#include "base/err.h"
#include "store/backend.h"

enum { MW_RECORD_HEADER = 24, MW_COUNTER_SIZE = 16 };

/* Writes header and value of `record` to `bytes`, of MW_RECORD_HEADER + record->value.len. */
void mw_record_write(const struct mw_record *record, uint8_t *bytes);

/* Reads the record of `key`; with a revision up to `unchecked` it may be one of format 1. Borrows both. Returns 0, or
 * MW_EDATA when the bytes are not those that were written. */
int mw_record_read(struct mw_slice key, struct mw_slice bytes, uint64_t unchecked, struct mw_record *out);

/* When the record expires, by its header alone; 0 for never. */
int64_t mw_record_expiry(struct mw_slice bytes);

/* A counter is its number and a checksum over that and its name. Returns as the above. */
void mw_counter_write(struct mw_slice name, uint64_t number, uint8_t *bytes);
int mw_counter_read(struct mw_slice name, struct mw_slice bytes, uint64_t *out);

#endif
