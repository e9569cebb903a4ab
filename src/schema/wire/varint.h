/* Varints of the protobuf wire format (protobuf.dev, "Encoding"): seven bits a byte, the lowest first; every byte but
 * the last has its highest bit set. Pure; any thread. */
#ifndef MW_SCHEMA_WIRE_VARINT_H
#define MW_SCHEMA_WIRE_VARINT_H

#include <stddef.h>
#include <stdint.h>

/* Greatest length of a tag or of a length, and of any varint, in bytes. */
enum { MW_WIRE_TAG_MAX = 5, MW_WIRE_VARINT_MAX = 10 };

/* Reads a varint of at most `max` bytes and drops bits above 64. Returns the first byte after it; NULL if it is longer
 * or cut off. */
static inline const uint8_t *mw_wire_varint(const uint8_t *at, const uint8_t *end, unsigned max, uint64_t *value) {
  uint64_t sum = 0;
  for (unsigned i = 0; i < max && at < end; i++) {
    uint64_t byte = *at++;
    sum |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) {
      *value = sum;
      return at;
    }
  }
  return NULL;
}

/* Writes a varint to `at`, which has room for MW_WIRE_VARINT_MAX bytes. Returns the first byte after it. */
static inline uint8_t *mw_wire_write_varint(uint8_t *at, uint64_t value) {
  for (; value >= 0x80; value >>= 7) *at++ = (uint8_t)(value | 0x80);
  *at++ = (uint8_t)value;
  return at;
}

#endif
