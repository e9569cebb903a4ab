"""Shortage of file descriptors: unreferenced files are closed, connections leave some descriptors free, and the log and
a metric report the shortage."""

import os
import resource
import unittest

import grpc

from connection import Connection
from harness import TIMEOUT, Server, project, stubs

PROTO = """syntax = "proto3";
package opener;
message Order { int32 count = 1; bool keep = 2; string target = 3; }
message Outcome { int32 opened = 1; string status = 2; double exhausted = 3; }
service Opener { rpc Open(Order) returns (Outcome); }
"""

SCRIPT = """local mw = require "moonwire"
local Opener = mw.service "opener.Opener"
local kept = {}
function Opener.Open(order)
  assert(mw.fs.write("one", "text"))
  local outcome = { opened = 0, status = "OK" }
  for i = 1, order.count do
    local file, status
    if order.target == "" then
      file, status = mw.fs.open "one"
    else
      local client = mw.client(order.target, { max_receive_bytes = 1000 + i }) -- a channel of its own
      status = select(2, client:call("opener.Opener/Open", {}))
      file = not status
    end
    if not file then
      outcome.status = status.code
      break
    end
    outcome.opened = i
    if order.keep then kept[#kept + 1] = file end
  end
  outcome.exhausted = mw.metrics.total "moonwire_descriptors_exhausted_total" or 0
  return outcome
end
"""


class Descriptors(unittest.TestCase):
    def serve(self, *arguments, prefix=()):
        folder = project(self, {"proto/opener.proto": PROTO, "lua/opener.lua": SCRIPT})
        self.pb, services = stubs("opener", folder)
        self.server = Server(folder, arguments=arguments, prefix=prefix)
        self.addCleanup(self.server.stop)
        channel = grpc.insecure_channel(self.server.address)
        self.addCleanup(channel.close)
        self.stub = services.OpenerStub(channel)
        self.open(count=1)

    def open(self, **order):
        return self.stub.Open(self.pb.Order(**order), timeout=TIMEOUT)

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.server.process.pid}/fd"))

    def leave(self, free):
        """Lowers the limit so that the server has `free` descriptors left."""
        pid = self.server.process.pid
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        highest = max(int(fd) for fd in os.listdir(f"/proc/{pid}/fd"))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + free, hard))

    def test_forgotten_files_are_closed_when_none_is_free(self):
        self.serve("--workers", "1")
        self.leave(30)
        outcome = self.open(count=300)
        self.assertEqual((outcome.opened, outcome.status), (300, "OK"))
        self.assertGreater(outcome.exhausted, 0)
        self.server.wait_logged("no file descriptor is free")

    def test_forgotten_files_are_closed_before_descriptors_run_short(self):
        self.serve("--workers", "1")
        self.leave(500)
        before = self.descriptors()
        for _ in range(20):
            self.assertEqual(self.open(count=100).status, "OK")
        self.assertLess(self.descriptors(), before + 450)

    def test_forgotten_channels_are_closed(self):
        self.serve("--workers", "1")
        before = self.descriptors()
        outcome = self.open(count=250, target=self.server.address)
        self.assertEqual((outcome.opened, outcome.status), (250, "OK"))
        self.assertLess(self.descriptors(), before + 400)  # descriptors of both ends of the connections

    def test_files_that_are_in_use_are_not(self):
        self.serve("--workers", "1")
        self.leave(30)
        outcome = self.open(count=300, keep=True)
        self.assertEqual(outcome.status, "RESOURCE_EXHAUSTED")
        self.assertLess(outcome.opened, 300)
        self.assertGreaterEqual(outcome.exhausted, 2)  # the first failure and at least one retry

    def test_the_limit_is_raised(self):
        self.serve("--workers", "1", prefix=("prlimit", "--nofile=200:1000"))
        self.assertEqual(resource.prlimit(self.server.process.pid, resource.RLIMIT_NOFILE), (1000, 1000))

    def test_connections_leave_some(self):
        self.serve("--workers", "2", prefix=("prlimit", "--nofile=160:160"))
        connections = [Connection(self.server.address) for _ in range(160)]
        try:
            held = sum(connection.settle() for connection in connections)
            self.assertLess(held, 160)
            self.assertGreater(held, 70)
            outcome = self.open(count=8, keep=True)
            self.assertEqual((outcome.opened, outcome.status), (8, "OK"))
            self.assertEqual(outcome.exhausted, 0)
        finally:
            for connection in connections:
                connection.sock.close()


if __name__ == "__main__":
    unittest.main()
