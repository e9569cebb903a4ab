/* An allocator for nghttp2's sessions, on the engine's blocks. */
#ifndef MW_ENGINE_HTTP_H2_MEMORY_H
#define MW_ENGINE_HTTP_H2_MEMORY_H

#include <nghttp2/nghttp2.h>

#include "base/blocks.h"

/* Returns an allocator that borrows `blocks`. */
nghttp2_mem mw_http_memory(struct mw_blocks *blocks);

#endif
