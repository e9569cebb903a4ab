/* What is wrong with a table, and where: "tasks.Task.priority: expected tasks.Priority, got ...". */
#ifndef MW_BIND_MESSAGE_ERROR_H
#define MW_BIND_MESSAGE_ERROR_H

#include "base/text.h"
#include "bind/message_types.h"

/* The way to a value, from the inside out. Steps live on the C stack while what they lead to is read. */
struct mw_path {
  const struct mw_path *parent; /* NULL: the message that is being converted, `name` its type */
  const char *name;             /* of a field; NULL: `index` or `key` */
  lua_Integer index;            /* an element of a sequence, from 1; 0: `key` */
  int key;                      /* stack index of a map's key */
  bool is_key;                  /* what is wrong is the key itself */
};

/* Room for a quoted string and its terminator. */
enum { MW_QUOTED = 96 };

/* Writes `text` in quotes, with escapes, and with "..." for what has no room. */
void mw_quote(struct mw_slice text, char out[MW_QUOTED]);

/* Sets `err` to the path and the words. Returns `code`. Calls nothing of Lua that can raise. */
int mw_path_fail(struct mw_err *err, lua_State *L, const struct mw_path *path, int code, const char *fmt, ...)
    MW_PRINTF(5, 6);

/* MW_EINVAL with "expected EXPECTED, got " and the value at `index` in a few words, then `more`. */
int mw_path_fail_value(struct mw_err *err, lua_State *L, const struct mw_path *path, int index, const char *expected,
                       const char *more);

#endif
