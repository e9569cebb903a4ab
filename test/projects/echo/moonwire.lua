-- Some handlers here run for long without waiting.
return { limits = { slice_ms = 0 } }
