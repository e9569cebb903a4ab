"""Retries by grpcio as a handler sees them, and their control by pushback (gRFC A6)."""

import json
import time
import unittest

import grpc

from harness import TIMEOUT, Server, project

PROTO = """syntax = "proto3";
package retry;
service Retry { rpc Get(Request) returns (Request); }
message Request { string pushback = 1; string seen = 2; }
"""
LUA = """local mw = require "moonwire"
local Retry = mw.service "retry.Retry"
local seen = {}
function Retry.Get(req, call)
  seen[#seen + 1] = call.metadata["grpc-previous-rpc-attempts"] or "none"
  if req.pushback == "" then
    local all = table.concat(seen, " ")
    seen = {}
    return { seen = all }
  end
  if #seen == 3 then return req end
  call:set_trailer("grpc-retry-pushback-ms", req.pushback)
  return nil, mw.status.unavailable "again"
end
"""


class Pushback(unittest.TestCase):
    def setUp(self):
        folder = project(self, {"proto/retry.proto": PROTO, "lua/retry.lua": LUA})
        self.server = Server(folder, arguments=("--workers", "1"))
        self.addCleanup(self.server.stop)
        config = {"methodConfig": [{"name": [{"service": "retry.Retry"}], "retryPolicy": {
            "maxAttempts": 5, "initialBackoff": "100s", "maxBackoff": "100s", "backoffMultiplier": 1,
            "retryableStatusCodes": ["UNAVAILABLE"]}}]}
        channel = grpc.insecure_channel(self.server.address, options=[
            ("grpc.enable_retries", 1), ("grpc.service_config", json.dumps(config))])
        self.addCleanup(channel.close)
        self.get = channel.unary_unary("/retry.Retry/Get")

    def call(self, pushback):
        field = pushback.encode()
        return self.get(bytes([0x0a, len(field)]) + field, timeout=TIMEOUT)

    def attempts(self):
        return self.get(b"", timeout=TIMEOUT)[2:].decode()

    def test_attempts_are_counted_and_wait_as_long_as_the_handler_says(self):
        started = time.monotonic()
        self.call("20")
        self.assertGreater(time.monotonic() - started, 0.04)
        self.assertEqual(self.attempts(), "none 1 2 none")

    def test_a_negative_pushback_forbids_a_retry(self):
        with self.assertRaises(grpc.RpcError) as caught:
            self.call("-1")
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)
        self.assertEqual(self.attempts(), "none none")
