return { workers = 1, grace = 1, limits = { slice_ms = 200, memory_bytes = 64 << 20 } }
