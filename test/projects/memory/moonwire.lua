return { workers = 1, limits = { memory_bytes = 64 << 20, slice_ms = 10000 } }
