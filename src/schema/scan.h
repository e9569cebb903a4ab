/* The look that is taken at bytes from outside before protobuf-c sees one of them.
 *
 * One pass, no allocation, a bounded stack. It refuses what is malformed, finds what protobuf-c would get wrong
 * although it is valid (then `plain` is false and schema/normalise.h comes first), and adds up the memory that
 * unpacking will ask for. Any thread. */
#ifndef MW_SCHEMA_SCAN_H
#define MW_SCHEMA_SCAN_H

#include "base/slice.h"
#include "schema/pool.h"

struct mw_scan {
  /* Bytes that protobuf-c will ask its allocator for: never more than it takes, and less only by the rounding of
   * arrays of repeated fields, so that what fits is not refused. Exact in this sense when `plain`. */
  size_t cost;
  bool plain; /* protobuf-c reads these bytes as the encoding's specification says */
};

/* Checks that `bytes` are a `type`: tags, lengths, wire types, groups, nesting of at most MW_MESSAGE_DEPTH below the
 * outermost message, and UTF-8 in every string, of proto2 too: what is handed on is promised to be text. Field
 * numbers up to `last_number` are accepted: MW_WIRE_NUMBER_MAX, or for the normaliser's output MW_CARRIER_NUMBER.
 * Returns 0; MW_EFORMAT or MW_ELIMIT (nesting, 2 GiB) with the field's path. */
int mw_scan(const struct mw_message_type *type, struct mw_slice bytes, uint32_t last_number, struct mw_scan *out,
            struct mw_err *err);

#endif
