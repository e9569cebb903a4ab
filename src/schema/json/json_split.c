#include "schema/json/json_split.h"

static bool is_space(uint8_t c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/* Consumes a byte of a string. */
static void scan_string(struct mw_json_split *split, uint8_t c) {
  if (split->escaped) {
    split->escaped = false;
  } else if (c == '\\') {
    split->escaped = true;
  } else if (c == '"') {
    split->in_string = false;
  }
}

/* Consumes the byte `c` at `at`. True if the value ends at the new `at`. */
static bool scan(struct mw_json_split *split, uint8_t c) {
  bool bracket = c == '{' || c == '[', closing = c == '}' || c == ']';
  if (split->in_string) {
    scan_string(split, c);
    split->at++;
    return !split->in_string && split->depth == 0;
  }
  bool first = split->at == split->start;
  if (split->depth == 0 && !first && (is_space(c) || bracket || c == '"')) return true; /* end of a number or a word */
  split->at++;
  split->in_string = c == '"';
  if (bracket) split->depth++;
  if (closing && split->depth > 0) return --split->depth == 0;
  return false;
}

bool mw_json_split_next(struct mw_json_split *split, struct mw_slice text, bool ended, struct mw_slice *value) {
  bool over = false;
  while (!split->begun && split->at < text.len) {
    split->begun = !is_space(text.data[split->at]);
    split->start = split->at;
    split->at += !split->begun;
  }
  while (split->begun && !over && split->at < text.len) over = scan(split, text.data[split->at]);
  if (!split->begun || (!over && !ended)) return false;
  *value = mw_slice(text.data + split->start, split->at - split->start);
  return true;
}
