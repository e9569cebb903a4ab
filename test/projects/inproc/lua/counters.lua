-- Counts of the handlers' actions since their scripts were loaded.
return { ticks = 0, closed = 0, sent = 0, last_end = "", late = "" }
