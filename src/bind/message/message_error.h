/* Errors in a table, with their place: "tasks.Task.priority: expected tasks.Priority, got ...". */
#ifndef MW_BIND_MESSAGE_MESSAGE_ERROR_H
#define MW_BIND_MESSAGE_MESSAGE_ERROR_H

#include "base/text.h"
#include "bind/message/message_types.h"

/* The path to a value, from the inside out. Each step lives on the C stack while the value at its end is read. */
struct mw_path {
  const struct mw_path *parent; /* NULL for the outermost message; `name` is then its type */
  const char *name;             /* of a field; NULL for `index` or `key` */
  lua_Integer index;            /* of a sequence's element, from 1; 0 for `key` */
  int key;                      /* stack index of a map's key */
  bool is_key;                  /* the key itself is wrong */
};

/* Room for a quoted string and its terminator. */
enum { MW_QUOTED = 96 };

/* Writes `text` in quotes, with escapes. Replaces the part that does not fit by "...". */
void mw_quote(struct mw_slice text, char out[MW_QUOTED]);

/* Sets `err` to the path and the words. Returns `code`. Calls no Lua function that can raise. */
int mw_path_fail(struct mw_err *err, lua_State *L, const struct mw_path *path, int code, const char *fmt, ...)
    MW_PRINTF(5, 6);

/* Returns MW_EINVAL with "expected EXPECTED, got ", a short description of the value at `index`, and `more`. */
int mw_path_fail_value(struct mw_err *err, lua_State *L, const struct mw_path *path, int index, const char *expected,
                       const char *more);

#endif
