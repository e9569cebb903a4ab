return {
  workers = 1, -- so that every call meets the runaways
  limits = { slice_ms = tonumber(os.getenv "RUNAWAY_SLICE_MS" or 100), memory_bytes = 64 << 20 },
}
