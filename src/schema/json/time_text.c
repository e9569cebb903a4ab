#include "schema/json/time_text.h"

#include <inttypes.h>
#include <stdio.h>

enum { DAY = 86400, NANOS = 1000000000, DAYS_TO_1970 = 719468 /* counted from 0000-03-01 */ };

static const int64_t first_second = -62135596800;     /* 0001-01-01T00:00:00Z */
static const int64_t last_second = 253402300799;      /* 9999-12-31T23:59:59Z */
static const int64_t longest_duration = 315576000000; /* 10,000 years of 365.25 days */

bool mw_timestamp_valid(int64_t seconds, int32_t nanos) {
  return seconds >= first_second && seconds <= last_second && nanos >= 0 && nanos < NANOS;
}

bool mw_duration_valid(int64_t seconds, int32_t nanos) {
  if (seconds < -longest_duration || seconds > longest_duration || nanos <= -NANOS || nanos >= NANOS) return false;
  return seconds == 0 || nanos == 0 || (seconds > 0) == (nanos > 0);
}

/* Returns the days from 0000-03-01 to March 1 of `year`. Years that begin in March have their leap day at the end. */
static int64_t days_before(int64_t year) { return year * 365 + year / 4 - year / 100 + year / 400; }

static int64_t days_of_date(int year, int month, int day) {
  int march_year = month > 2 ? year : year - 1;
  int march_month = (month + 9) % 12;
  return days_before(march_year) + (153 * march_month + 2) / 5 + day - 1 - DAYS_TO_1970;
}

static void date_of_days(int64_t days, int *year, int *month, int *day) {
  days += DAYS_TO_1970;
  int64_t march_year = days * 400 / 146097; /* at most one off: 400 years have 146,097 days */
  if (days_before(march_year) > days) march_year--;
  if (days_before(march_year + 1) <= days) march_year++;
  int day_of_year = (int)(days - days_before(march_year));
  int march_month = (5 * day_of_year + 2) / 153;
  *day = day_of_year - (153 * march_month + 2) / 5 + 1;
  *month = march_month < 10 ? march_month + 3 : march_month - 9;
  *year = (int)march_year + (*month <= 2);
}

/* ---- parsing: each function takes its part off the front of `in` ---- */

static bool take_char(struct mw_slice *in, char c) {
  if (in->len == 0 || in->data[0] != (uint8_t)c) return false;
  *in = mw_slice(in->data + 1, in->len - 1);
  return true;
}

static bool peek_digit(const struct mw_slice *in) { return in->len > 0 && in->data[0] >= '0' && in->data[0] <= '9'; }

static int take_digit(struct mw_slice *in) {
  int digit = in->data[0] - '0';
  *in = mw_slice(in->data + 1, in->len - 1);
  return digit;
}

/* Takes exactly `count` digits with a value of at most `max`. */
static bool take_number(struct mw_slice *in, int count, int max, int *out) {
  *out = 0;
  for (int i = 0; i < count; i++) {
    if (!peek_digit(in)) return false;
    *out = *out * 10 + take_digit(in);
  }
  return *out <= max;
}

/* Takes an optional ".123" as nanoseconds. */
static bool take_fraction(struct mw_slice *in, int32_t *nanos) {
  *nanos = 0;
  if (!take_char(in, '.')) return true;
  int32_t unit = NANOS;
  if (!peek_digit(in)) return false;
  while (peek_digit(in)) {
    unit /= 10;
    if (unit == 0) return false;
    *nanos += take_digit(in) * unit;
  }
  return true;
}

/* Takes "Z" or "+01:00" as seconds east of UTC. */
static bool take_offset(struct mw_slice *in, int *offset) {
  *offset = 0;
  if (take_char(in, 'Z')) return true;
  bool west = take_char(in, '-');
  int hours, minutes;
  if (!west && !take_char(in, '+')) return false;
  if (!take_number(in, 2, 23, &hours) || !take_char(in, ':') || !take_number(in, 2, 59, &minutes)) return false;
  *offset = (hours * 60 + minutes) * (west ? -60 : 60);
  return true;
}

static int days_in_month(int year, int month) {
  if (month == 2) return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28;
  return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

static bool take_date(struct mw_slice *in, int64_t *days) {
  int year, month, day;
  if (!take_number(in, 4, 9999, &year) || !take_char(in, '-') || !take_number(in, 2, 12, &month) ||
      !take_char(in, '-') || !take_number(in, 2, 31, &day))
    return false;
  if (year < 1 || month < 1 || day < 1 || day > days_in_month(year, month)) return false;
  *days = days_of_date(year, month, day);
  return true;
}

static bool take_time(struct mw_slice *in, int *seconds) {
  int hour, minute, second;
  if (!take_number(in, 2, 23, &hour) || !take_char(in, ':') || !take_number(in, 2, 59, &minute) ||
      !take_char(in, ':') || !take_number(in, 2, 59, &second))
    return false;
  *seconds = hour * 3600 + minute * 60 + second;
  return true;
}

bool mw_timestamp_parse(struct mw_slice text, int64_t *seconds, int32_t *nanos) {
  int64_t days;
  int time, offset;
  int32_t fraction;
  if (!take_date(&text, &days) || !take_char(&text, 'T') || !take_time(&text, &time) ||
      !take_fraction(&text, &fraction) || !take_offset(&text, &offset) || text.len > 0)
    return false;
  int64_t total = days * DAY + time - offset;
  if (!mw_timestamp_valid(total, fraction)) return false;
  *seconds = total;
  *nanos = fraction;
  return true;
}

bool mw_duration_parse(struct mw_slice text, int64_t *seconds, int32_t *nanos) {
  bool negative = take_char(&text, '-');
  int64_t whole = 0;
  int32_t fraction;
  if (!peek_digit(&text)) return false;
  while (peek_digit(&text)) {
    whole = whole * 10 + take_digit(&text);
    if (whole > longest_duration) return false;
  }
  if (!take_fraction(&text, &fraction) || !take_char(&text, 's') || text.len > 0) return false;
  if (!mw_duration_valid(whole, fraction)) return false;
  *seconds = negative ? -whole : whole;
  *nanos = negative ? -fraction : fraction;
  return true;
}

/* ---- formatting ---- */

/* Appends a fraction of 0, 3, 6 or 9 digits, the fewest that are exact. Returns the length. */
static size_t format_fraction(char *out, size_t room, int32_t nanos) {
  if (nanos == 0) return 0;
  int len;
  if (nanos % 1000000 == 0) {
    len = snprintf(out, room, ".%03" PRId32, nanos / 1000000);
  } else if (nanos % 1000 == 0) {
    len = snprintf(out, room, ".%06" PRId32, nanos / 1000);
  } else {
    len = snprintf(out, room, ".%09" PRId32, nanos);
  }
  return (size_t)len;
}

size_t mw_timestamp_format(int64_t seconds, int32_t nanos, char out[MW_TIME_TEXT]) {
  int64_t days = seconds / DAY - (seconds % DAY < 0);
  int time = (int)(seconds - days * DAY);
  int year, month, day;
  date_of_days(days, &year, &month, &day);
  size_t len = (size_t)snprintf(out, MW_TIME_TEXT, "%04d-%02d-%02dT%02d:%02d:%02d", year, month, day, time / 3600,
                                time / 60 % 60, time % 60);
  len += format_fraction(out + len, MW_TIME_TEXT - len, nanos);
  out[len++] = 'Z';
  out[len] = '\0';
  return len;
}

size_t mw_duration_format(int64_t seconds, int32_t nanos, char out[MW_TIME_TEXT]) {
  bool negative = seconds < 0 || nanos < 0;
  size_t len = (size_t)snprintf(out, MW_TIME_TEXT, "%s%" PRId64, negative ? "-" : "", negative ? -seconds : seconds);
  len += format_fraction(out + len, MW_TIME_TEXT - len, negative ? -nanos : nanos);
  out[len++] = 's';
  out[len] = '\0';
  return len;
}
