"""Fibers and calls that become runnable at one moment resume over several turns of the loop: others are served in
between."""

import time
import unittest

import grpc

from harness import TIMEOUT, Server, project, stubs

PROTO = """syntax = "proto3";
package wakes;
message Item { string id = 1; bytes padding = 2; }
message Done { int64 works = 1; int64 ready = 2; }
service Wakes {
  rpc Watch(Item) returns (Done);
  rpc Change(Item) returns (Done);
  rpc Commit(Item) returns (Done);
  rpc Send(Item) returns (stream Item);
  rpc Hold(Item) returns (Item);
  rpc Count(Item) returns (Done);
}
"""

WORKS, WORK_MS = 120, 10

SCRIPT = """local mw = require "moonwire"
local items = mw.store.collection { name = "items", message = "wakes.Item" }
local Wakes = mw.service "wakes.Wakes"
local state = mw.state("counts", 1, function() return { works = 0, ready = 0 } end)
local N <const>, SECONDS <const> = %d, %d / 1000

local function work()
  local last = mw.time.monotonic() + SECONDS
  repeat until mw.time.monotonic() >= last
  state.works = state.works + 1
end

function Wakes.Watch()
  mw.spawn(function()
    for _ in items:watch {} do work() end
  end)
  return {}
end

function Wakes.Change()
  mw.store.transaction(function(tx)
    for i = 1, N do tx:put(items, { id = tostring(i) }) end
  end)
  return {}
end

function Wakes.Commit()
  for i = 1, N do
    mw.spawn(function()
      assert(items:put { id = tostring(i) })
      work()
    end)
  end
  return {}
end

function Wakes.Send(_, call)
  local item = { padding = ("x"):rep(100000) }
  for _ = 1, N do
    mw.spawn(function()
      state.ready = state.ready + 1
      while call:send(item) do end
      work()
    end)
  end
  mw.sleep(1000)
end

function Wakes.Hold(item)
  local _ <close> = setmetatable({}, { __close = work })
  state.ready = state.ready + 1
  mw.sleep(1000)
  return item
end

function Wakes.Count() return { works = state.works, ready = state.ready } end
"""

FEWEST = 8  # responses in between; a loop that resumes all in one turn allows none, or one a commit


class Wakes(unittest.TestCase):
    def serve(self):
        self.folder = project(self, {"proto/wakes.proto": PROTO, "lua/wakes.lua": SCRIPT % (WORKS, WORK_MS)})
        self.server = Server(self.folder, arguments=("--workers", "1"))
        self.addCleanup(lambda: self.assertEqual(self.server.stop(), 0, self.server.logged()))
        self.pb, services = stubs("wakes", self.folder)
        self.stub, self.other = [services.WakesStub(self.connect()) for _ in range(2)]
        self.counts()

    def connect(self):
        channel = grpc.insecure_channel(self.server.address, options=[("grpc.use_local_subchannel_pool", 1)])
        self.addCleanup(channel.close)
        return channel

    def call(self, method):
        return getattr(self.stub, method)(self.pb.Item(), timeout=TIMEOUT)

    def counts(self):
        return self.other.Count(self.pb.Item(), timeout=TIMEOUT)

    def until(self, condition):
        """Polls on the other connection until the condition holds for the newest response. Returns the counts of works
        that it has received."""
        seen, last = set(), time.monotonic() + TIMEOUT
        while True:
            counts = self.counts()
            seen.add(counts.works)
            if condition(counts):
                return seen
            self.assertLess(time.monotonic(), last, seen)

    def assert_turns(self):
        seen = self.until(lambda counts: counts.works == WORKS) - {0, WORKS}
        self.assertGreaterEqual(len(seen), FEWEST, seen)

    def hold(self, timeout):
        item = self.pb.Item()
        held = [self.stub.Hold.future(item, timeout=timeout) for _ in range(WORKS)]
        self.until(lambda counts: counts.ready == WORKS)
        return held

    def test_changes_that_a_watch_reports(self):
        self.serve()
        self.call("Watch")
        self.call("Change")
        self.assert_turns()

    def test_finished_commits(self):
        self.serve()
        self.call("Commit")
        self.assert_turns()

    def test_fibers_that_wait_to_send(self):
        self.serve()
        stream = self.stub.Send(self.pb.Item(), timeout=TIMEOUT)
        next(stream)
        self.until(lambda counts: counts.ready == WORKS)
        stream.cancel()
        self.assert_turns()

    def test_cancelled_calls(self):
        self.serve()
        for held in self.hold(TIMEOUT):
            held.cancel()
        self.assert_turns()

    def test_calls_whose_deadline_passes(self):
        self.serve()
        self.hold(3)
        self.assert_turns()
