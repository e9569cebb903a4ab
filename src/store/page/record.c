#include "store/page/record.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { OLD_HEADER = 16, EXPIRY_AT = 16 };

static const uint64_t CHECKED = (uint64_t)1 << 63; /* bit of the revision: a checksum follows */

static uint64_t checksum(struct mw_slice key, uint64_t revision, const uint8_t *bytes, size_t len) {
  return XXH3_64bits_withSeed(bytes, len, XXH3_64bits_withSeed(key.data, key.len, revision));
}

void mw_record_write(const struct mw_record *record, uint8_t *bytes) {
  uint64_t first = record->revision | CHECKED;
  memcpy(bytes, &first, 8);
  memcpy(bytes + EXPIRY_AT, &record->expires, 8);
  if (record->value.len > 0) memcpy(bytes + MW_RECORD_HEADER, record->value.data, record->value.len);
  uint64_t sum = checksum(record->key, record->revision, bytes + EXPIRY_AT, record->value.len + 8);
  memcpy(bytes + 8, &sum, 8);
}

static int read_old(struct mw_slice key, struct mw_slice bytes, uint64_t unchecksummed_until, struct mw_record *out) {
  memcpy(&out->revision, bytes.data, 8);
  memcpy(&out->expires, bytes.data + 8, 8);
  if (out->revision == 0 || out->revision > unchecksummed_until) return MW_EDATA;
  out->key = key;
  out->value = mw_slice(bytes.data + OLD_HEADER, bytes.len - OLD_HEADER);
  return 0;
}

int mw_record_read(struct mw_slice key, struct mw_slice bytes, uint64_t unchecksummed_until, struct mw_record *out) {
  if (bytes.len < OLD_HEADER) return MW_EDATA;
  uint64_t first, sum;
  memcpy(&first, bytes.data, 8);
  if (!(first & CHECKED)) return read_old(key, bytes, unchecksummed_until, out);
  if (bytes.len < MW_RECORD_HEADER) return MW_EDATA;
  memcpy(&sum, bytes.data + 8, 8);
  uint64_t revision = first & ~CHECKED;
  if (sum != checksum(key, revision, bytes.data + EXPIRY_AT, bytes.len - EXPIRY_AT)) return MW_EDATA;
  out->key = key;
  out->value = mw_slice(bytes.data + MW_RECORD_HEADER, bytes.len - MW_RECORD_HEADER);
  out->revision = revision;
  memcpy(&out->expires, bytes.data + EXPIRY_AT, 8);
  return 0;
}

int64_t mw_record_expiry(struct mw_slice bytes) {
  uint64_t first;
  int64_t expires;
  if (bytes.len < OLD_HEADER) return 0;
  memcpy(&first, bytes.data, 8);
  if (first & CHECKED && bytes.len < MW_RECORD_HEADER) return 0;
  memcpy(&expires, bytes.data + (first & CHECKED ? EXPIRY_AT : 8), 8);
  return expires;
}

void mw_counter_write(struct mw_slice name, uint64_t number, uint8_t *bytes) {
  memcpy(bytes, &number, 8);
  uint64_t sum = checksum(name, 0, bytes, 8);
  memcpy(bytes + 8, &sum, 8);
}

int mw_counter_read(struct mw_slice name, struct mw_slice bytes, uint64_t *out) {
  if (bytes.len != MW_COUNTER_SIZE) return MW_EDATA;
  uint64_t sum;
  memcpy(&sum, bytes.data + 8, 8);
  if (sum != checksum(name, 0, bytes.data, 8)) return MW_EDATA;
  memcpy(out, bytes.data, 8);
  return 0;
}
