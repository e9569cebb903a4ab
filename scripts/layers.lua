-- For scripts/layers: the circles within a layer that are not cut yet, and the recursions that stay. The lists only
-- shrink: a file or room that leaves its circle is taken off.
return {
  files = {
    ["bind"] = {
      { "base/bind", "call/call", "call/call_object", "message/message", "message/message_error",
        "message/message_keys", "message/message_meta", "message/message_push", "message/message_read",
        "message/message_scalar", "message/message_types", "message/status", "message/wellknown_push",
        "message/wellknown_read", "message/wellknown_time" },
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
    ["schema"] = {
      { "json/json_any", "json/json_extension", "json/json_list", "json/json_read", "json/json_scalar",
        "json/json_wellknown", "json/json_wellknown_write", "json/json_write" },
    },
    ["store"] = {
      { "lmdb", "lmdb_failure", "lmdb_files", "lmdb_format", "lmdb_open", "lmdb_view" },
    },
  },
  rooms = {
    ["bind"] = {
      { "base", "call", "message" },
    },
  },
}
