#include "schema/json/json_print.h"

#include <inttypes.h>
#include <stdio.h>

#include "schema/json/json_number.h"

static void put(struct mw_json_printer *printer, const void *data, size_t len) {
  if (printer->rc == 0 && mw_pace_is_over(printer->pace, len)) printer->rc = MW_ELIMIT;
  if (printer->rc == 0) printer->rc = mw_buf_append(printer->out, data, len);
}

void mw_json_put(struct mw_json_printer *printer, const char *literal) { put(printer, literal, strlen(literal)); }

/* Begins a new line at the current depth if the output is indented. */
static void put_line(struct mw_json_printer *printer) {
  if (printer->indent == 0) return;
  put(printer, "\n", 1);
  for (unsigned i = 0; i < printer->depth * printer->indent; i++) put(printer, " ", 1);
}

void mw_json_open(struct mw_json_printer *printer, char bracket) {
  put(printer, &bracket, 1);
  printer->depth++;
  printer->first = true;
}

void mw_json_close(struct mw_json_printer *printer, char bracket) {
  printer->depth--;
  if (!printer->first) put_line(printer);
  printer->first = false; /* the enclosing level now has an element */
  put(printer, &bracket, 1);
}

void mw_json_item(struct mw_json_printer *printer) {
  if (!printer->first) put(printer, ",", 1);
  printer->first = false;
  put_line(printer);
}

void mw_json_key(struct mw_json_printer *printer, struct mw_slice key) {
  mw_json_item(printer);
  mw_json_put_string(printer, key);
  mw_json_put(printer, printer->indent ? ": " : ":");
}

static void put_escape(struct mw_json_printer *printer, uint8_t c) {
  static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
  static const char digits[] = "0123456789abcdef";
  const char *found = c ? strchr(from, c) : NULL;
  if (found) {
    put(printer, (char[]){'\\', to[found - from]}, 2);
  } else {
    put(printer, (char[]){'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]}, 6);
  }
}

void mw_json_put_string(struct mw_json_printer *printer, struct mw_slice text) {
  put(printer, "\"", 1);
  size_t start = 0;
  for (size_t i = 0; i < text.len; i++) {
    uint8_t c = text.data[i];
    if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) continue;
    put(printer, text.data + start, i - start);
    put_escape(printer, c);
    start = i + 1;
  }
  put(printer, text.len ? text.data + start : NULL, text.len - start);
  put(printer, "\"", 1);
}

void mw_json_put_int(struct mw_json_printer *printer, int64_t value) {
  char text[MW_JSON_NUMBER_TEXT];
  snprintf(text, sizeof text, "%" PRId64, value);
  mw_json_put(printer, text);
}

void mw_json_put_uint(struct mw_json_printer *printer, uint64_t value) {
  char text[MW_JSON_NUMBER_TEXT];
  snprintf(text, sizeof text, "%" PRIu64, value);
  mw_json_put(printer, text);
}

void mw_json_put_double(struct mw_json_printer *printer, double value) {
  char text[MW_JSON_NUMBER_TEXT];
  mw_json_format_double(value, text);
  mw_json_put(printer, text);
}
