#include "schema/json/json_number.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "schema/json/json_token.h"

bool mw_json_is_number(struct mw_slice text) {
  struct mw_json_lexer lexer;
  struct mw_json_token token;
  mw_json_lexer_init(&lexer, text);
  return mw_json_next(&lexer, &token, NULL) == 0 && token.kind == MW_JSON_NUMBER && token.text.len == text.len;
}

/* A number's digits without the point and without zeros at either end: value = digits * 10^exponent. */
struct decimal {
  char digits[MW_JSON_NUMBER_LEN];
  size_t len;
  int64_t exponent;
  bool negative;
};

static int64_t parse_exponent(struct mw_slice text, size_t at) {
  bool negative = text.data[at] == '-';
  if (negative || text.data[at] == '+') at++;
  int64_t value = 0;
  for (; at < text.len; at++) {
    if (value < 1000000) value = value * 10 + (text.data[at] - '0'); /* a greater exponent is out of range too */
  }
  return negative ? -value : value;
}

static void split_decimal(struct mw_slice number, struct decimal *out) {
  size_t i = 0;
  bool fraction = false;
  out->len = 0;
  out->exponent = 0;
  out->negative = number.data[0] == '-';
  if (out->negative) i++;
  for (; i < number.len && number.data[i] != 'e' && number.data[i] != 'E'; i++) {
    if (number.data[i] == '.') {
      fraction = true;
      continue;
    }
    if (fraction) out->exponent--;
    if (out->len > 0 || number.data[i] != '0') out->digits[out->len++] = (char)number.data[i];
  }
  if (i < number.len) out->exponent += parse_exponent(number, i + 1);
  while (out->len > 0 && out->digits[out->len - 1] == '0') {
    out->len--;
    out->exponent++;
  }
}

/* Splits an integer into sign and magnitude. */
static int to_magnitude(struct mw_slice number, bool *negative, uint64_t *magnitude) {
  struct decimal decimal;
  split_decimal(number, &decimal);
  *negative = decimal.negative && decimal.len > 0;
  *magnitude = 0;
  if (decimal.len == 0) return 0;
  if (decimal.exponent < 0) return MW_EFORMAT;
  if ((int64_t)decimal.len + decimal.exponent > 20) return MW_ELIMIT;
  for (size_t i = 0; i < decimal.len + (size_t)decimal.exponent; i++) {
    unsigned digit = i < decimal.len ? (unsigned)(decimal.digits[i] - '0') : 0;
    if (__builtin_mul_overflow(*magnitude, 10u, magnitude) || __builtin_add_overflow(*magnitude, digit, magnitude))
      return MW_ELIMIT;
  }
  return 0;
}

int mw_json_to_int64(struct mw_slice number, int64_t min, int64_t max, int64_t *out) {
  bool negative;
  uint64_t magnitude;
  int rc = to_magnitude(number, &negative, &magnitude);
  if (rc != 0) return rc;
  if (magnitude > (uint64_t)INT64_MAX + negative) return MW_ELIMIT;
  int64_t value = (int64_t)(negative ? 0 - magnitude : magnitude);
  if (value < min || value > max) return MW_ELIMIT;
  *out = value;
  return 0;
}

int mw_json_to_uint64(struct mw_slice number, uint64_t max, uint64_t *out) {
  bool negative;
  uint64_t magnitude;
  int rc = to_magnitude(number, &negative, &magnitude);
  if (rc != 0) return rc;
  if (negative || magnitude > max) return MW_ELIMIT;
  *out = magnitude;
  return 0;
}

static void terminate(struct mw_slice number, char out[MW_JSON_NUMBER_LEN + 1]) {
  memcpy(out, number.data, number.len);
  out[number.len] = '\0';
}

int mw_json_to_double(struct mw_slice number, double *out) {
  char text[MW_JSON_NUMBER_LEN + 1];
  terminate(number, text);
  double value = strtod(text, NULL);
  if (isinf(value)) return MW_ELIMIT;
  *out = value;
  return 0;
}

int mw_json_to_float(struct mw_slice number, float *out) {
  char text[MW_JSON_NUMBER_LEN + 1];
  terminate(number, text);
  float value = strtof(text, NULL);
  if (isinf(value)) return MW_ELIMIT;
  *out = value;
  return 0;
}

/* Prints with "%g" and the fewest digits that `same` accepts. The search starts at `least` digits: fewer are enough
 * only where %g drops trailing zeros anyway. */
static size_t format_shortest(double value, int least, int most, bool (*same)(const char *text, double value),
                              char out[MW_JSON_NUMBER_TEXT]) {
  if (value == 0) return (size_t)snprintf(out, MW_JSON_NUMBER_TEXT, signbit(value) ? "-0.0" : "0");
  int len = snprintf(out, MW_JSON_NUMBER_TEXT, "%.*g", least, value);
  for (int precision = least + 1; precision <= most && !same(out, value); precision++) {
    len = snprintf(out, MW_JSON_NUMBER_TEXT, "%.*g", precision, value);
  }
  return (size_t)len;
}

static bool same_double(const char *text, double value) { return strtod(text, NULL) == value; }
static bool same_float(const char *text, double value) { return (double)strtof(text, NULL) == value; }

/* Subnormal numbers have fewer digits than others, so their search starts at 1. */
size_t mw_json_format_double(double value, char out[MW_JSON_NUMBER_TEXT]) {
  return format_shortest(value, fabs(value) < DBL_MIN ? 1 : DBL_DIG, DBL_DECIMAL_DIG, same_double, out);
}

size_t mw_json_format_float(float value, char out[MW_JSON_NUMBER_TEXT]) {
  return format_shortest((double)value, fabsf(value) < FLT_MIN ? 1 : FLT_DIG, FLT_DECIMAL_DIG, same_float, out);
}
