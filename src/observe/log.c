/* A line is built in a fixed buffer on the stack, so that logging works without memory, and is passed on at once. A
 * text that is too long is truncated with "..." inside its quotes. Message and values have limits of their own, so
 * that one long value cannot displace the fields after it. */
#include "observe/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "observe/log_output.h"
#include "observe/utf8.h"

enum {
  MAX_LINE = 16384,
  MAX_MESSAGE = 8192, /* of the escaped form */
  MAX_VALUE = 2048,
  MAX_KEY = 64,
  LONGEST_STEP = 4, /* greatest number of bytes that one step of escaping appends */
};

struct line {
  char data[MAX_LINE];
  size_t len;
};

static const char *const level_names[] = {"debug", "info", "warn", "error", "off"};

static atomic_int lowest = MW_LOG_INFO;

static _Thread_local struct mw_log_context context = {.worker = -1};

void mw_log_set_level(enum mw_log_level level) { atomic_store_explicit(&lowest, (int)level, memory_order_relaxed); }

bool mw_log_enabled(enum mw_log_level level) {
  return (int)level >= atomic_load_explicit(&lowest, memory_order_relaxed) && level != MW_LOG_OFF;
}

int mw_log_level_from_name(const char *name) {
  for (int i = 0; i <= MW_LOG_OFF; i++) {
    if (strcmp(name, level_names[i]) == 0) return i;
  }
  return -1;
}

struct mw_log_context *mw_log_context(void) {
  return &context;
}

/* ---- building a line ---- */

/* One byte always stays free for the newline. */
static void append(struct line *line, const char *text, size_t len) {
  size_t room = sizeof line->data - 1 - line->len;
  if (len > room) len = room;
  memcpy(line->data + line->len, text, len);
  line->len += len;
}

static void append_str(struct line *line, const char *text) { append(line, text, strlen(text)); }

/* True if a sequence may stand unescaped between quotes. */
static bool is_plain(const uint8_t *s, size_t len) {
  return mw_text_is_displayable(s, len) && !(len == 1 && (s[0] == '"' || s[0] == '\\'));
}

static void append_escaped_byte(struct line *line, uint8_t byte) {
  static const char hex[] = "0123456789abcdef";
  switch (byte) {
    case '"': append(line, "\\\"", 2); break;
    case '\\': append(line, "\\\\", 2); break;
    case '\n': append(line, "\\n", 2); break;
    case '\r': append(line, "\\r", 2); break;
    case '\t': append(line, "\\t", 2); break;
    default: append(line, (char[]){'\\', 'x', hex[byte >> 4], hex[byte & 15]}, 4); break;
  }
}

static void append_quoted(struct line *line, struct mw_slice text, size_t limit) {
  size_t room = sizeof line->data - line->len;
  size_t end = line->len + (room < limit ? room : limit) - LONGEST_STEP - sizeof "\"...\"\n";
  append(line, "\"", 1);
  while (text.len > 0 && line->len <= end) {
    size_t step = mw_utf8_step(text);
    if (is_plain(text.data, step)) {
      append(line, (const char *)text.data, step);
    } else {
      step = 1;
      append_escaped_byte(line, text.data[0]);
    }
    text = mw_slice(text.data + step, text.len - step);
  }
  if (text.len > 0) append(line, "...", 3);
  append(line, "\"", 1);
}

static bool is_bare(struct mw_slice text) {
  for (size_t i = 0; i < text.len; i++) {
    uint8_t c = text.data[i];
    if (c <= 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '=') return false;
  }
  return text.len > 0;
}

static void append_value(struct line *line, struct mw_slice text, size_t limit) {
  if (is_bare(text) && text.len <= limit) {
    append(line, (const char *)text.data, text.len);
  } else {
    append_quoted(line, text, limit);
  }
}

static bool is_key_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("_.-/", c);
}

static void append_key(struct line *line, const char *key) {
  append(line, " ", 1);
  for (size_t i = 0; key[i] != '\0' && i < MAX_KEY; i++) append(line, is_key_char(key[i]) ? &key[i] : "_", 1);
  if (key[0] == '\0') append(line, "_", 1);
  append(line, "=", 1);
}

/* Omits the whole field if it might not fit. */
static void append_field(struct line *line, const char *key, const char *value) {
  if (sizeof line->data - line->len < MAX_KEY + MAX_VALUE + sizeof " =\n") return;
  append_key(line, key);
  append_value(line, mw_slice_str(value), MAX_VALUE);
}

static void append_number(struct line *line, const char *key, uint64_t number) {
  char text[24];
  snprintf(text, sizeof text, "%llu", (unsigned long long)number);
  append_field(line, key, text);
}

static void append_time(struct line *line) {
  int64_t now = mw_clock_wall();
  time_t seconds = (time_t)(now / MW_NS_PER_S);
  struct tm tm;
  char text[32], ms[8];
  gmtime_r(&seconds, &tm);
  append(line, text, strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm));
  snprintf(ms, sizeof ms, ".%03dZ ", (int)(now % MW_NS_PER_S / MW_NS_PER_MS));
  append_str(line, ms);
}

static bool has(const struct mw_log_field *fields, const char *key) {
  for (; fields && fields->key; fields++) {
    if (fields->value && strcmp(fields->key, key) == 0) return true;
  }
  return false;
}

/* A name stands once in a line: a field takes the place of the context's value of that name. */
static void append_context(struct line *line, const struct mw_log_field *fields) {
  if (context.generation && !has(fields, "generation")) append_number(line, "generation", context.generation);
  if (context.worker >= 0 && !has(fields, "worker")) append_number(line, "worker", (uint64_t)context.worker);
  if (context.call && !has(fields, "call")) append_number(line, "call", context.call);
  if (context.method && !has(fields, "method")) append_field(line, "method", context.method);
  if (context.trace_id && !has(fields, "trace_id")) append_field(line, "trace_id", context.trace_id);
}

static void begin_line(struct line *line, enum mw_log_level level, const struct mw_log_field *fields) {
  line->len = 0;
  append_time(line);
  append_str(line, level_names[level]);
  if (strlen(level_names[level]) < 5) append(line, " ", 1);
  append_context(line, fields);
  append_str(line, " msg=");
}

void mw_log(enum mw_log_level level, const struct mw_log_field *fields, const char *fmt, ...) {
  if (!mw_log_enabled(level)) return;
  char message[MAX_MESSAGE];
  va_list args;
  va_start(args, fmt);
  int len = vsnprintf(message, sizeof message, fmt, args);
  va_end(args);
  if (len < 0) len = 0; /* a conversion failed: log the line without its message */
  size_t used = (size_t)len < sizeof message ? (size_t)len : sizeof message - 1;

  int saved = errno;
  struct line line;
  begin_line(&line, level, fields);
  append_quoted(&line, mw_slice(message, used), MAX_MESSAGE);
  for (; fields && fields->key; fields++) {
    if (fields->value) append_field(&line, strcmp(fields->key, "msg") == 0 ? "msg_" : fields->key, fields->value);
  }
  line.data[line.len++] = '\n';
  mw_log_output(line.data, line.len);
  errno = saved;
}

static size_t format_gap(char *out, size_t size, uint64_t dropped) {
  struct line line;
  begin_line(&line, MW_LOG_WARN, NULL);
  append_quoted(&line, mw_slice_str("log lines were dropped: stderr did not take them in time"), MAX_MESSAGE);
  append_number(&line, "lines", dropped);
  line.data[line.len++] = '\n';
  memcpy(out, line.data, line.len < size ? line.len : size);
  return line.len < size ? line.len : size;
}

int mw_log_start(void) { return mw_log_start_writer(format_gap); }
