return { workers = 2 }
