-- Some handlers here run for as long as it takes.
return { limits = { slice_ms = 0 } }
