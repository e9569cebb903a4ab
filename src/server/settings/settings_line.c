#include "server/settings/settings_line.h"

#include <ctype.h>
#include <string.h>

/* Returns the offset in `text`, from `from` on, at which the word `name` is followed by "="; text.len if there is none.
 * Skips comments. */
static size_t find_key(struct mw_slice text, size_t from, const char *name) {
  size_t len = strlen(name);
  bool comment = false, within = false; /* within: the previous character belongs to a name */
  for (size_t i = from; i < text.len; i++) {
    const char *at = (const char *)text.data + i;
    size_t left = text.len - i;
    if (*at == '\n') comment = false;
    if (left >= 2 && memcmp(at, "--", 2) == 0) comment = true;
    if (!comment && !within && left > len && memcmp(at, name, len) == 0) {
      size_t next = len;
      while (next < left && strchr(" \t\r\n\"']", at[next])) next++;
      bool assigned = next < left && at[next] == '=' && (next + 1 == left || at[next + 1] != '=');
      if (assigned && !isalnum((unsigned char)at[len]) && at[len] != '_') return i;
    }
    within = isalnum((unsigned char)*at) || *at == '_';
  }
  return text.len;
}

unsigned mw_settings_find_line(struct mw_slice text, const char *group, const char *name) {
  size_t at = group ? find_key(text, 0, group) : 0;
  at = find_key(text, at, name);
  if (at == text.len) return 0;
  unsigned line = 1;
  for (size_t i = 0; i < at; i++) line += text.data[i] == '\n';
  return line;
}
