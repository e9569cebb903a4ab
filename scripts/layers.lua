-- For scripts/layers: the circles within a layer that are not cut yet, and the recursions that stay. The lists only
-- shrink: a file or room that leaves its circle is taken off.
return {
  files = {
    ["bind"] = { -- messages in messages
      { "message/message_push", "message/wellknown_push" },
      { "message/message_read", "message/wellknown_read" },
    },
  },
  rooms = {},
}
