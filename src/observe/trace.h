/* Trace ids (W3C Trace Context, level 1), which link a call to its trace across servers. Pure; any thread. */
#ifndef MW_OBSERVE_TRACE_H
#define MW_OBSERVE_TRACE_H

#include "base/slice.h"

enum { MW_TRACE_ID_LEN = 32 };

/* Reads the trace id of a `traceparent` header: 32 lower-case hex digits and a zero byte. Returns false, and writes
 * nothing, when the header is malformed. */
bool mw_trace_read_id(struct mw_slice traceparent, char out[MW_TRACE_ID_LEN + 1]);

/* Creates a random id. */
void mw_trace_new_id(char out[MW_TRACE_ID_LEN + 1]);

#endif
