/* Checks bytes from outside before they reach protobuf-c.
 *
 * One pass, no allocation, a bounded stack. The scan refuses malformed bytes and adds up the memory that unpacking will
 * allocate. It also detects valid bytes that protobuf-c would misread: `plain` is then false, and
 * schema/wire/normalise.h has to rewrite them. Any thread. */
#ifndef MW_SCHEMA_WIRE_SCAN_H
#define MW_SCHEMA_WIRE_SCAN_H

#include "base/err.h"
#include "base/slice.h"
#include "schema/type/type.h"

struct mw_scan {
  /* Estimate of the bytes that protobuf-c will allocate. It is never too high, so that a message that fits is not
   * refused. When `plain`, it is too low only by the rounding of arrays of repeated fields. */
  size_t cost;
  bool plain; /* protobuf-c reads these bytes as the encoding specifies */
};

/* Checks that `bytes` are a `type`: tags, lengths, wire types, groups, nesting of at most MW_MESSAGE_DEPTH below the
 * outermost message, and UTF-8 in every string. proto2 strings are checked too, because callers expect text. Accepts
 * field numbers up to `last_number`: MW_WIRE_NUMBER_MAX, or for the normaliser's output MW_CARRIER_NUMBER. Returns 0;
 * MW_EFORMAT or MW_ELIMIT (nesting, 2 GiB) with the field's path. */
int mw_scan(const struct mw_message_type *type, struct mw_slice bytes, uint32_t last_number, struct mw_scan *out,
            struct mw_err *err);

/* The same for a message that is nested `depth` below the outermost one, with any field number. */
int mw_scan_nested(const struct mw_message_type *type, struct mw_slice bytes, unsigned depth, struct mw_scan *out,
                   struct mw_err *err);

#endif
