return { methods = { "get" }, fields = { "id" } }
