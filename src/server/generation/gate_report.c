/* For each failure, busted's plain output has the line "Failure -> FILE @ LINE" (or "Error"), the name, and the message
 * on the lines up to an empty one. For a file that does not load, the name is FILE. */
#include "server/generation/gate_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

/* Returns the rest of a failure's title line, or NULL. */
static const char *after_title(const char *line) {
  static const char *const titles[] = {"Failure -> ", "Error -> "};
  for (size_t i = 0; i < sizeof titles / sizeof *titles; i++) {
    if (strncmp(line, titles[i], strlen(titles[i])) == 0) return line + strlen(titles[i]);
  }
  return NULL;
}

static const char *next_line(const char *line) {
  const char *newline = strchr(line, '\n');
  return newline ? newline + 1 : line + strlen(line);
}

static int line_length(const char *line) { return (int)strcspn(line, "\n"); }

/* Appends the text between two positions as one line. */
static void put_joined(struct mw_buf *out, const char *from, const char *to) {
  while (from < to) {
    int len = line_length(from);
    if (len > 0) mw_buf_printf(out, "%s%.*s", out->len > 0 && out->data[out->len - 1] != ' ' ? " " : "", len, from);
    from = next_line(from);
  }
}

/* Adds the failure that lies between `title`, its title line without the first word, and `end`. */
static void add_failure(const char *prefix, const char *title, const char *end, struct mw_err *err) {
  const char *at = strstr(title, " @ ");
  if (!at || at > title + line_length(title)) {
    mw_err_add(err, MW_EINVAL, "%s%.*s", prefix, line_length(title), title);
    return;
  }
  const char *name = next_line(title), *words = next_line(name), *file = title;
  int file_len = (int)(at - title);
  long line = strtol(at + 3, NULL, 10);
  if (strncmp(words, file, (size_t)file_len) == 0 && words[file_len] == ':') { /* the message has the exact line */
    char *rest;
    line = strtol(words + file_len + 1, &rest, 10);
    words = *rest == ':' ? rest + 1 + strspn(rest + 1, " ") : rest;
  }
  struct mw_buf text = MW_BUF_INIT;
  put_joined(&text, words, end);
  bool named = line_length(name) != file_len || strncmp(name, file, (size_t)file_len) != 0;
  mw_err_add(err, MW_EINVAL, "%s%.*s:%ld: %.*s%s%s", prefix, file_len, file, line, named ? line_length(name) : 0, name,
             named ? ": " : "", mw_buf_str(&text));
  mw_buf_fini(&text);
}

static size_t add_failures(const char *prefix, const char *out, struct mw_err *err) {
  size_t n = 0;
  for (const char *line = out; *line;) {
    const char *title = after_title(line), *end = next_line(line);
    while (title && *end && !after_title(end)) end = next_line(end);
    if (title && ++n <= MW_GATE_FINDINGS) add_failure(prefix, title, end, err);
    line = end;
  }
  if (n > MW_GATE_FINDINGS) mw_err_add(err, MW_EINVAL, "and %zu more specs fail", n - MW_GATE_FINDINGS);
  return n;
}

/* Adds the lines after "moonwire test: " as findings, one for each line. */
static size_t add_errors(const char *prefix, const char *errors, struct mw_err *err) {
  static const char title[] = "moonwire test: ";
  const char *line = strstr(errors, title);
  size_t n = 0;
  if (!line) return 0;
  for (line += sizeof title - 1; *line && n < MW_GATE_FINDINGS; line = next_line(line), n++) {
    bool placed = strncmp(line, "lua/", 4) == 0 || strncmp(line, "proto/", 6) == 0 ||
                  strncmp(line, "moonwire.lua:", 13) == 0;
    mw_err_add(err, MW_EINVAL, "%s%s%.*s", placed ? prefix : "",
               placed ? "" : "the specs cannot run: ", line_length(line), line);
  }
  return n;
}

int mw_spec_gate_report(const char *dir, const char *out, const char *errors, struct mw_err *err) {
  char prefix[4096] = "";
  if (strcmp(dir, ".") != 0) snprintf(prefix, sizeof prefix, "%s/", dir);
  if (add_failures(prefix, out, err) == 0 && add_errors(prefix, errors, err) == 0) {
    mw_err_add(err, MW_EINVAL, "the specs cannot run: moonwire test has ended without a word");
  }
  return MW_EINVAL;
}
