/* Exact conversion of numbers between text and C: 64-bit integers never pass through a double. Pure; any thread. */
#ifndef MW_SCHEMA_JSON_JSON_NUMBER_H
#define MW_SCHEMA_JSON_JSON_NUMBER_H

#include "base/slice.h"

/* True if `text` is one JSON number (RFC 8259, section 6) of at most MW_JSON_NUMBER_LEN characters. */
bool mw_json_is_number(struct mw_slice text);

/* Converts a JSON number to an integer. "1e5" and "100.0" are integers, "1.5" is not. Return 0, MW_EFORMAT (it has a
 * fraction) or MW_ELIMIT (out of [min, max]). */
int mw_json_to_int64(struct mw_slice number, int64_t min, int64_t max, int64_t *out);
int mw_json_to_uint64(struct mw_slice number, uint64_t max, uint64_t *out);

/* Converts a JSON number to the nearest double or float. Return 0 or MW_ELIMIT (beyond the largest finite one). */
int mw_json_to_double(struct mw_slice number, double *out);
int mw_json_to_float(struct mw_slice number, float *out);

/* Room for a formatted number and its terminator. */
enum { MW_JSON_NUMBER_TEXT = 32 };

/* Formats a finite value with the fewest digits that read back as the same value. Return the length. */
size_t mw_json_format_double(double value, char out[MW_JSON_NUMBER_TEXT]);
size_t mw_json_format_float(float value, char out[MW_JSON_NUMBER_TEXT]);

#endif
