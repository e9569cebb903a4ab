"""The limits on clients that moonwire.lua sets: each takes effect on the wire and is logged."""

import os
import pathlib
import resource
import select
import ssl
import struct
import unittest

import http2
from connection import CHECK, INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, WATCH, Connection, connect
from harness import Server, project
from test_tls import make_server_certificate

SETTINGS_TIMEOUT, REFUSED_STREAM, CANCEL, ENHANCE_YOUR_CALM = 4, 7, 8, 11
OK, DEADLINE_EXCEEDED, NOT_FOUND = 0, 4, 5
FIRST_WINDOW = 65536  # of a stream
MIB = 1 << 20

LARGE_PROTO = """syntax = "proto3"; package large; message Reply { bytes data = 1; }
service Large { rpc Get(Reply) returns (Reply); }"""
LARGE_SCRIPT = """local data = ("x"):rep(3 << 20)
local Large = require("moonwire").service "large.Large"
function Large.Get(request) return { data = data } end"""


def beginning(size):
    """The part of a message of `size` bytes that fits into the initial window. Check reads it as a service name."""
    return http2.message(bytes(size))[:FIRST_WINDOW]


class LimitsTest(unittest.TestCase):
    def serve(self, settings, tls="", workers=1, files={}):
        settings = "return { limits = { %s }, %s }" % (settings, tls)
        folder = project(self, {"moonwire.lua": settings, **files})
        if tls:
            make_server_certificate(folder)
        self.server = Server(folder, arguments=("--workers", str(workers)))
        self.addCleanup(self.end, self.server)
        return self.server.address

    def end(self, server):
        self.assertEqual(server.stop(), 0, server.logged())

    def assertLogged(self, *words):
        self.server.wait_logged(*words)

    def assertEnded(self, client, code, reason):
        """Asserts that the connection ends with `code` and `reason`."""
        self.assertTrue(client.ends())
        self.assertEqual(client.code, code)
        self.assertLogged("connection ended: ", f"reason={reason}", "peer=ipv4:127.0.0.1:")


class OfBoth(LimitsTest):
    def assertServed(self, tls=None):
        """Asserts that a new connection is served; earlier attempts may be refused."""
        for _ in range(100):
            try:
                with Connection(self.server.address, tls) as client:
                    if client.settle():
                        return
            except (ConnectionError, ssl.SSLError):
                pass
        self.fail(self.server.logged())

    def test_connections(self):
        with Connection(self.serve("connections = 2")) as one, Connection(self.server.address) as other:
            self.assertTrue(one.settle() and other.settle())
            with connect(self.server.address) as third:
                self.assertEqual(list(http2.read_frames(third)), [])
            self.assertLogged("connection refused: too many connections", "reason=connections")
            self.assertTrue(one.settle() and other.settle())
        self.assertServed()

    def test_connections_of_all_workers(self):
        most, more = 6, 30
        self.serve(f"connections = {most}", workers=3)
        clients = [Connection(self.server.address) for _ in range(more)]
        served = [client for client in clients if client.settle()]
        for client in clients:
            client.sock.close()
        self.assertIn(len(served), range(most, most + 3))  # workers that accept at the same moment may exceed the limit
        self.assertServed()

    def exhaust_descriptors(self, settings="", client_tls=None):
        """Opens idle connections until no descriptors are left. Asserts that further ones are refused at once, and that
        new ones are served after all have closed."""
        idle, spare = 60, 20
        self.serve("connections = 100000", settings, workers=2)
        self.assertServed(client_tls)
        pid = self.server.process.pid
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        most = max(int(fd) for fd in os.listdir(f"/proc/{pid}/fd")) + spare
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, limits[1]))
        sockets = [connect(self.server.address) for _ in range(idle)]
        refused = []
        while len(refused) < idle - spare:
            ready, _, _ = select.select([each for each in sockets if each not in refused], [], [], http2.TIMEOUT)
            self.assertNotEqual(ready, [], f"only {len(refused)} were refused:\n{self.server.logged()}")
            refused += [each for each in ready if not self.speaks(each)]
        self.assertLogged("connection refused: too many connections", "reason=connections",
                          'detail="Too many open files"')
        self.assertLess(self.server.logged().count("connection refused"), len(refused))
        for each in sockets:
            each.close()
        self.assertServed(client_tls)

    def speaks(self, sock):
        """Reads once. Returns False if the connection has ended."""
        try:
            return sock.recv(4096) != b""
        except ConnectionResetError:
            return False

    def test_descriptors(self):
        self.exhaust_descriptors()

    def test_descriptors_of_tls(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        self.exhaust_descriptors("tls = { cert = 'server.pem', key = 'server.key' }", context)

    def test_streams_have_a_limit_of_their_own(self):
        with Connection(self.serve("")) as client:
            self.assertTrue(client.until(lambda: client.settings))
            self.assertEqual(client.settings[MAX_CONCURRENT_STREAMS], 256)

    def test_streams_is_what_clients_are_told(self):
        with Connection(self.serve("streams = 3")) as client:
            self.assertTrue(client.until(lambda: client.settings))
            self.assertEqual(client.settings[MAX_CONCURRENT_STREAMS], 3)

    def test_handshake_seconds_bound_a_connection_that_says_nothing(self):
        with connect(self.serve("handshake_seconds = 0.05")) as sock:
            for _ in http2.read_frames(sock):
                pass
            self.assertLogged("connection ended: ", "reason=handshake", "peer=ipv4:127.0.0.1:")

    def test_handshake_seconds_do_not_bound_one_that_has_spoken(self):
        with Connection(self.serve("handshake_seconds = 0.5")) as client, connect(self.server.address) as silent:
            client.watch()
            for _ in http2.read_frames(silent):
                pass
            self.assertTrue(client.settle())


@unittest.skipUnless(os.environ.get("MOONWIRE_TEST_ENGINE") == "http", "C core has limits of its own")
class OfOurs(LimitsTest):
    def test_streams(self):
        with Connection(self.serve("streams = 2")) as client:
            for stream in (1, 3, 5):  # before the server's SETTINGS have arrived
                client.call(WATCH, stream)
            self.assertTrue(client.until(lambda: client.resets and client.messages == 2))
            self.assertEqual(client.resets, {5: REFUSED_STREAM})
            client.settle()
            client.call(WATCH, 7)
            self.assertTrue(client.until(lambda: 7 in client.resets))
            self.assertEqual(client.resets[7], REFUSED_STREAM)
            self.assertTrue(client.settle())

    def test_stream_resets(self):
        with Connection(self.serve("stream_resets = 5")) as client:
            for stream in range(1, 2 * 10, 2):
                client.call(WATCH, stream)
                client.send(http2.RST_STREAM, 0, stream, CANCEL.to_bytes(4, "big"))
            self.assertEnded(client, ENHANCE_YOUR_CALM, "stream_resets")

    def test_stream_resets_of_calls_that_were_answered(self):
        with Connection(self.serve("stream_resets = 5")) as client:
            for stream in range(1, 2 * 100, 2):
                client.call(WATCH, stream)
                self.assertTrue(client.until(lambda: client.messages > stream // 2))
                client.send(http2.RST_STREAM, 0, stream, CANCEL.to_bytes(4, "big"))
            self.assertTrue(client.settle())

    def test_control_frames(self):
        with Connection(self.serve("control_frames = 100")) as client:
            for _ in range(200):
                client.send(http2.SETTINGS)
            self.assertEnded(client, ENHANCE_YOUR_CALM, "control_frames")

    def test_handshake_seconds(self):
        with connect(self.serve("handshake_seconds = 0.05")) as sock:
            goaways = [payload for kind, _, _, payload in http2.read_frames(sock) if kind == http2.GOAWAY]
            self.assertEqual([int.from_bytes(payload[4:8], "big") for payload in goaways], [SETTINGS_TIMEOUT])
            self.assertLogged("connection ended: ", "reason=handshake")

    def test_handshake_seconds_of_a_header_block(self):
        with Connection(self.serve("handshake_seconds = 0.5")) as client:
            client.settle()
            client.send(http2.HEADERS, 0, 1, b"")  # END_HEADERS does not follow
            self.assertEnded(client, ENHANCE_YOUR_CALM, "slow_headers")

    def test_message_seconds(self):
        with Connection(self.serve("message_seconds = 0.05")) as client:
            client.call(CHECK, body=beginning(1000)[:100], end=False)
            self.assertTrue(client.until(lambda: client.statuses))
            self.assertEqual(client.statuses, {1: DEADLINE_EXCEEDED})
            self.assertLogged("call ended: a message did not come in time")
            self.assertTrue(client.settle())

    def test_message_seconds_of_a_frame(self):
        with Connection(self.serve("message_seconds = 0.05")) as client:
            client.sock.sendall(http2.frame(http2.PING, 0, 0, bytes(8))[:12])
            self.assertEnded(client, ENHANCE_YOUR_CALM, "slow_frame")

    def test_send_seconds(self):
        with Connection(self.serve("send_seconds = 0.05"), settings=[(INITIAL_WINDOW_SIZE, 0)]) as client:
            client.call(CHECK)
            self.assertTrue(client.until(lambda: client.resets))
            self.assertEqual(client.resets, {1: CANCEL})
            self.assertLogged("call ended: the client does not read the rest of the response")
            self.assertTrue(client.settle())

    def begin_two_large_messages(self, client):
        client.settle()  # the server has applied the windows
        for stream in (1, 3):
            client.call(CHECK, stream, beginning(1 << 20), end=False)

    def test_buffer_bytes(self):
        with Connection(self.serve("buffer_bytes = 65536")) as client:
            self.begin_two_large_messages(client)
            self.assertTrue(client.until(lambda: client.credit[1] > 0))
            client.settle()
            self.assertEqual(client.credit[3], 0)
            client.send(http2.RST_STREAM, 0, 1, CANCEL.to_bytes(4, "big"))
            self.assertTrue(client.until(lambda: client.credit[3] > 0))

    def resident(self):
        status = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def test_buffer_bytes_of_answers(self):
        files = {"proto/large.proto": LARGE_PROTO, "lua/large.lua": LARGE_SCRIPT}
        address = self.serve("streams = 100", files=files)
        streams = range(1, 120, 2)
        with Connection(address, settings=[(INITIAL_WINDOW_SIZE, 0)]) as client:
            self.assertTrue(client.settle())
            before = self.resident()
            for stream in streams:
                client.call("/large.Large/Get", stream)
            self.assertTrue(client.settle())
            self.assertLess(self.resident() - before, 112 * MIB)
            client.send(http2.SETTINGS, payload=struct.pack(">HI", INITIAL_WINDOW_SIZE, 4 * MIB))
            client.send(http2.WINDOW_UPDATE, payload=struct.pack(">I", 1 << 30))
            self.assertTrue(client.until(lambda: len(client.statuses) == len(streams)))
            self.assertEqual(set(client.statuses.values()), {OK})

    def test_buffer_bytes_that_are_enough(self):
        with Connection(self.serve("")) as client:
            self.begin_two_large_messages(client)
            self.assertTrue(client.until(lambda: client.credit[1] > 0 and client.credit[3] > 0))


if __name__ == "__main__":
    unittest.main()
