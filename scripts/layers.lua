-- For scripts/layers: the circles within a folder that are not cut yet, and the recursions that stay. The list only
-- shrinks: a file that leaves its circle is taken off.
return {
  ["bind"] = {
    { "bind", "call", "call_object", "message", "message_error", "message_keys", "message_meta",
      "message_push", "message_read", "message_scalar", "message_types", "status", "wellknown_push", "wellknown_read",
      "wellknown_time" },
  },
  ["engine/core"] = {
    { "call", "server" },
    { "channel", "engine" },
  },
  ["engine/http"] = {
    { "call", "conn", "engine", "keepalive", "listener", "reply", "session", "turn", "watch" },
    { "remote_guest", "remote_owner" },
  },
  ["engine/inproc"] = { { "call", "handler" } },
  ["rpc"] = {
    { "call", "dispatch" },
    { "client_attempt", "client_retry", "client_rpc" },
  },
  ["schema"] = {
    { "compat", "compat_field", "compat_service", "compat_type" },
    { "extension", "link" },
    { "json_any", "json_extension", "json_list", "json_read", "json_scalar", "json_wellknown",
      "json_wellknown_write", "json_write" },
  },
  ["script"] = {
    { "base", "coroutine", "fiber", "vm" },
    { "budget", "collect" },
  },
  ["server"] = {
    { "admin", "files", "gate", "generation", "kill", "look", "programs", "reading", "reload", "server",
      "settings_check", "settings_file", "shared", "snapshot", "status", "survey", "trim", "watcher", "worker" },
  },
  ["store"] = { { "lmdb", "lmdb_files", "lmdb_format", "lmdb_open", "lmdb_trouble", "lmdb_view" } },
}
