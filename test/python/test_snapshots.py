"""Clients that do not read their streams must not take all snapshots of the store."""

import os
import unittest

from connection import INITIAL_WINDOW_SIZE, Connection
from harness import Server, project

PROTO = """syntax = "proto3";
package items;
message Item { string id = 1; }
service Items { rpc List(Item) returns (stream Item); rpc Fill(Item) returns (Item); }
"""

SCRIPT = """local mw = require "moonwire"
local items = mw.store.collection { name = "items", message = "items.Item" }
local Items = mw.service "items.Items"
function Items.Fill(item)
  for i = 1, 40 do assert(items:put { id = ("%03d"):format(i) }) end
  return item
end
function Items.List(_, call)
  for item in items:each() do
    if not call:send(item) then return end
  end
end
"""

GREEDY, STREAMS = 34, 250  # clients, streams of each; together they exceed the reader slots of the store


@unittest.skipUnless(os.environ.get("MOONWIRE_TEST_ENGINE") == "http", "the bound is not the engine's")
class Snapshots(unittest.TestCase):
    def setUp(self):
        folder = project(self, {"proto/items.proto": PROTO, "lua/items.lua": SCRIPT})
        self.server = Server(folder, arguments=("--workers", "1"))
        self.addCleanup(self.server.stop)

    def connect(self, **options):
        connection = Connection(self.server.address, **options)
        self.addCleanup(connection.sock.close)
        return connection

    def assertAnswered(self, client, path, stream):
        client.call(path, stream)
        client.until(lambda: stream in client.statuses)
        self.assertEqual(client.statuses[stream], 0)

    def test_stalled_readers_leave_some_to_others(self):
        reader = self.connect()
        self.assertAnswered(reader, "/items.Items/Fill", 1)
        for _ in range(GREEDY):
            client = self.connect(settings=[(INITIAL_WINDOW_SIZE, 0)])
            for n in range(STREAMS):
                client.call("/items.Items/List", 2 * n + 1)
            self.assertTrue(client.settle())
        for n in range(20):
            self.assertAnswered(reader, "/items.Items/List", 2 * n + 3)
        self.server.wait_logged("a snapshot of the store was closed", "the calls of its connection hold")


if __name__ == "__main__":
    unittest.main()
