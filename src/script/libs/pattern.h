/* Lua's patterns, matched within the budget of the running code.
 *
 * Lua's own matcher is one C function that no hook interrupts, and a short pattern can keep it busy for years. This one
 * matches the same language, with the same results and errors (Lua 5.4 reference manual, 6.4.1), and checks the
 * budget. */
#ifndef MW_SCRIPT_LIBS_PATTERN_H
#define MW_SCRIPT_LIBS_PATTERN_H

#include <lua.h>
#include <stddef.h>

enum { MW_PATTERN_CAPTURES = 32 };

/* Lengths of a capture that is not closed yet, and of a position capture. */
enum { MW_CAPTURE_OPEN = -1, MW_CAPTURE_POSITION = -2 };

struct mw_pattern_capture {
  const char *start;
  ptrdiff_t len;
};

/* Subject and pattern are the bytes of Lua strings, which end with a zero. The caller keeps them alive. */
struct mw_pattern {
  lua_State *L;
  const char *subject, *subject_end;
  const char *pattern, *pattern_end;
  unsigned steps; /* towards the next check of the budget */
  int depth;      /* of nested matches */
  int n_captures;
  struct mw_pattern_capture captures[MW_PATTERN_CAPTURES];
};

void mw_pattern_init(struct mw_pattern *m, lua_State *L, const char *subject, size_t subject_len, const char *pattern,
                     size_t pattern_len);

/* Matches the pattern at `from` only. Returns the end of the match, or NULL. Raises for a malformed pattern, and when
 * the budget is used up. */
const char *mw_pattern_match_at(struct mw_pattern *m, const char *from);

/* Pushes the captures of the match from `start` to `end`. If the pattern has none, pushes the match itself, unless
 * `start` is NULL. Returns the number of values. */
int mw_pattern_push_captures(struct mw_pattern *m, const char *start, const char *end);

/* Finds the bytes of capture `i`, from 0. For a position capture, pushes the position as a number and returns
 * MW_CAPTURE_POSITION. */
ptrdiff_t mw_pattern_capture(struct mw_pattern *m, int i, const char *start, const char *end, const char **out);

#endif
