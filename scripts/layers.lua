-- For scripts/layers: the circles within a layer that are not cut yet, and the recursions that stay. The lists only
-- shrink: a file or room that leaves its circle is taken off.
return {
  files = {
    ["bind"] = {
      { "base/bind", "call/call", "call/call_object", "call/call_send", "message/encode", "message/message",
        "message/message_error", "message/message_keys", "message/message_meta", "message/message_push",
        "message/message_read", "message/message_scalar", "message/message_types", "message/packed",
        "message/packed_field", "message/status", "message/wellknown_push", "message/wellknown_read",
        "message/wellknown_time" },
    },
    ["engine/core"] = {
      { "call", "server" },
      { "channel", "engine" },
    },
    ["engine/inproc"] = {
      { "call", "handler" },
    },
    ["rpc"] = {
      { "call", "dispatch" },
      { "client_attempt", "client_retry", "client_rpc" },
    },
  },
  rooms = {
    ["bind"] = {
      { "base", "call", "message" },
    },
  },
}
