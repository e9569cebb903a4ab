/* Trace context (W3C Trace Context, level 1): who a call belongs to, across servers. Pure; any thread. */
#ifndef MW_OBSERVE_TRACE_H
#define MW_OBSERVE_TRACE_H

#include "base/slice.h"

struct mw_trace {
  char trace_id[33]; /* 32 lower-case hex digits and a zero byte */
  char span_id[17];
  uint8_t flags; /* 1: sampled */
};

enum { MW_TRACEPARENT_LEN = 55 };

/* Continues the trace of a `traceparent` header, with a new span id; starts a new, unsampled one when `header` is empty
 * or malformed. */
void mw_trace_continue(struct mw_trace *trace, struct mw_slice header);

/* Writes the `traceparent` value of `trace`, with a zero byte behind. */
void mw_trace_write(const struct mw_trace *trace, char out[MW_TRACEPARENT_LEN + 1]);

#endif
