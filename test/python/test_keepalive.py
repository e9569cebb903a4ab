"""The lifetime of connections as gRPC clients see it: PINGs of either side, idle time and age."""

import pathlib
import tempfile
import unittest

from connection import Connection
from harness import Server

NO_ERROR, ENHANCE_YOUR_CALM = 0, 11


class Keepalive(unittest.TestCase):
    def serve(self, settings):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        pathlib.Path(folder.name, "moonwire.lua").write_text("return { keepalive = { %s } }" % settings)
        self.server = Server(folder.name, arguments=("--workers", "1"))
        self.addCleanup(self.end)
        return self.server.address

    def end(self):
        self.assertEqual(self.server.stop(), 0, self.server.logged())

    def test_a_client_that_pings_too_often_is_told_to_calm_down(self):
        with Connection(self.serve("min_time = 1000")) as client:
            client.watch()
            for _ in range(4):  # the first PING is free; the third strike ends the connection
                client.ping()
            client.ends()
            self.assertEqual((client.code, client.reason), (ENHANCE_YOUR_CALM, b"too_many_pings"))

    def test_two_strikes_are_no_reason_to_end(self):
        with Connection(self.serve("min_time = 1000")) as client:
            client.watch()
            for _ in range(3):
                client.ping()
            self.assertTrue(client.until(lambda: client.acks == 3))
            self.assertEqual(client.goaways, 0)

    def test_a_client_without_a_call_may_hardly_ping(self):
        with Connection(self.serve("min_time = 0.001")) as client:
            for _ in range(4):
                client.ping()
            client.ends()
            self.assertEqual((client.code, client.reason), (ENHANCE_YOUR_CALM, b"too_many_pings"))

    def test_any_number_of_pings_can_be_allowed(self):
        with Connection(self.serve("min_time = 0")) as client:
            for _ in range(20):
                client.ping()
            self.assertTrue(client.until(lambda: client.acks == 20))
            self.assertEqual(client.goaways, 0)

    def test_a_client_with_a_call_is_pinged(self):
        with Connection(self.serve("time = 0.05, timeout = 100")) as client:
            client.watch()
            self.assertTrue(client.until(lambda: client.pings >= 2))
            self.assertEqual(client.goaways, 0)

    def test_a_client_that_does_not_answer_is_given_up(self):
        with Connection(self.serve("time = 0.05, timeout = 0.05")) as client:
            client.watch()
            client.answers = False
            self.assertTrue(client.ends())
            self.assertGreaterEqual(client.pings, 1)

    def test_an_idle_connection_ends(self):
        with Connection(self.serve("max_connection_idle = 0.05")) as client:
            self.assertTrue(client.ends())
            self.assertEqual(client.messages, 0)

    def test_an_old_connection_is_drained_and_its_calls_get_the_grace(self):
        with Connection(self.serve("max_connection_age = 0.05, max_connection_age_grace = 0.2")) as client:
            client.watch()
            self.assertTrue(client.until(lambda: client.goaways))
            self.assertEqual(client.code, NO_ERROR)
            self.assertTrue(client.ends())


if __name__ == "__main__":
    unittest.main()
