return { seed = 1, number = 1 }
