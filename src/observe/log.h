/* The log: one line per event on stderr, in logfmt.
 *
 *   2026-11-21T10:33:54.123Z info  generation=1 worker=0 msg="listening" address=127.0.0.1:50051
 *
 * Any thread. Lines never mix; observe/log_output.h writes them. Values are quoted and escaped where needed, so that
 * text from a client or a script cannot forge a line. Worker, generation and call come from the thread's context,
 * which the worker sets around each call or job. */
#ifndef MW_OBSERVE_LOG_H
#define MW_OBSERVE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mw_log_level { MW_LOG_DEBUG, MW_LOG_INFO, MW_LOG_WARN, MW_LOG_ERROR, MW_LOG_OFF };

struct mw_log_field {
  const char *key, *value; /* borrowed for the call; a NULL value is omitted */
};

/* Fields of every line of a thread. */
struct mw_log_context {
  int worker;           /* -1: none */
  uint64_t generation;  /* 0: none */
  uint64_t call;        /* 0: none */
  const char *method;   /* "/package.Service/Method" or NULL */
  const char *trace_id; /* 32 hex digits or NULL */
};

/* Lines below `level` are dropped. MW_LOG_INFO by default. */
void mw_log_set_level(enum mw_log_level level);
bool mw_log_enabled(enum mw_log_level level);

/* Converts "debug", "info", "warn", "error" or "off"; -1 for other names. */
int mw_log_level_from_name(const char *name);

/* Returns the calling thread's context, which the caller may change. */
struct mw_log_context *mw_log_context(void);

/* Logs a message with `fields`, which end with a NULL key; `fields` may be NULL. */
void mw_log(enum mw_log_level level, const struct mw_log_field *fields, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Starts a thread that writes the lines: mw_log_start_writer() of observe/log_output.h. */
int mw_log_start(void);

#endif
