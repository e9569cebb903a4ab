return {
  workers = 1, -- so that all calls share a worker with the runaways
  limits = { slice_ms = tonumber(os.getenv "RUNAWAY_SLICE_MS" or 100), memory_bytes = 64 << 20 },
}
