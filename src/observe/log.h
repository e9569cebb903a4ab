/* The log: one line per event on stderr, in logfmt.
 *
 *   2026-11-21T10:33:54.123Z info  generation=1 worker=0 msg="listening" address=127.0.0.1:50051
 *
 * Any thread. Lines never mix; observe/log_output.h writes them. Values are quoted and escaped where they need
 * it, so that what a client or a script sends cannot forge a line. Who is speaking (worker, generation, call) comes
 * from the thread's context, which the worker sets around what it runs. */
#ifndef MW_OBSERVE_LOG_H
#define MW_OBSERVE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mw_log_level { MW_LOG_DEBUG, MW_LOG_INFO, MW_LOG_WARN, MW_LOG_ERROR, MW_LOG_OFF };

struct mw_log_field {
  const char *key, *value; /* borrowed for the call; a NULL value is left out */
};

/* What every line of this thread carries. */
struct mw_log_context {
  int worker;            /* -1: none */
  uint64_t generation;   /* 0: none */
  uint64_t call;         /* 0: none */
  const char *method;    /* "/package.Service/Method" or NULL */
  const char *trace_id;  /* 32 hex digits or NULL */
};

/* Lines below `level` are dropped. MW_LOG_INFO at first. */
void mw_log_set_level(enum mw_log_level level);
bool mw_log_enabled(enum mw_log_level level);

/* From "debug", "info", "warn", "error", "off"; -1 when there is none of that name. */
int mw_log_level_from_name(const char *name);

/* The calling thread's context, to read or change. */
struct mw_log_context *mw_log_context(void);

/* Logs a message, with fields up to one whose key is NULL; `fields` may be NULL. */
void mw_log(enum mw_log_level level, const struct mw_log_field *fields, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Has lines written by a thread of its own from now on: mw_log_start_writer() of observe/log_output.h. */
int mw_log_start(void);

#endif
