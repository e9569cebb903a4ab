return { word = "one" }
