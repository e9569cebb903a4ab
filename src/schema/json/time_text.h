/* Timestamp and Duration as text: RFC 3339 and "1.5s", as ProtoJSON writes and reads them. Pure; any thread. */
#ifndef MW_SCHEMA_JSON_TIME_TEXT_H
#define MW_SCHEMA_JSON_TIME_TEXT_H

#include "base/slice.h"

/* Room for either text and its terminator. */
enum { MW_TIME_TEXT = 40 };

/* True if the pair is a google.protobuf.Timestamp: years 1 to 9999, nanoseconds counting forward from the second. */
bool mw_timestamp_valid(int64_t seconds, int32_t nanos);

/* True if the pair is a google.protobuf.Duration: within 10,000 years, both parts of one sign. */
bool mw_duration_valid(int64_t seconds, int32_t nanos);

/* Parses "2026-11-21T10:33:54.123Z" into seconds since 1970 UTC. Accepts any offset ("+01:00") and up to nine digits
 * after the point. False if it is malformed or out of range; the outputs are then untouched. */
bool mw_timestamp_parse(struct mw_slice text, int64_t *seconds, int32_t *nanos);

/* Parses "-1.5s" with up to nine digits after the point. Returns as mw_timestamp_parse(). */
bool mw_duration_parse(struct mw_slice text, int64_t *seconds, int32_t *nanos);

/* Format a valid pair, a timestamp in UTC, with 0, 3, 6 or 9 digits after the point. Return the length. */
size_t mw_timestamp_format(int64_t seconds, int32_t nanos, char out[MW_TIME_TEXT]);
size_t mw_duration_format(int64_t seconds, int32_t nanos, char out[MW_TIME_TEXT]);

#endif
