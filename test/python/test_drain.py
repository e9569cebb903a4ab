"""A server that is asked to stop, frame by frame: requests and responses that are in flight at that moment."""

import gzip
import os
import signal
import socket
import struct
import subprocess
import unittest

import hpack

import http2
from harness import ROOT, TIMEOUT, Server, stubs

FOLDER = ROOT / "test" / "projects" / "echo"
pb, _ = stubs("echo", FOLDER)
LARGE = 1 << 20  # bytes of a response, which is not fully sent when the server stops


def message(flag=0, **fields):
    data = pb.Message(**fields).SerializeToString()
    return http2.message(gzip.compress(data) if flag else data, flag)


def headers(method, stream, *asked, service="echo.Echo"):
    return http2.frame(http2.HEADERS, http2.END_HEADERS, stream,
                       hpack.Encoder().encode(http2.header_list(f"/{service}/{method}", asked)))


@unittest.skipUnless(os.environ.get("MOONWIRE_TEST_ENGINE") == "http", "C core cancels calls that come while it drains")
class Drain(unittest.TestCase):
    def setUp(self):
        self.server = Server(FOLDER, arguments=("--workers", "2"))
        self.addCleanup(self.server.process.stdout.close)
        self.addCleanup(self.server.process.kill)
        host, port = self.server.address.rsplit(":", 1)
        self.socket = socket.socket()
        self.addCleanup(self.socket.close)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(TIMEOUT)
        self.socket.connect((host, int(port)))
        self.frames = http2.read_frames(self.socket)
        self.decoder = hpack.Decoder()

    def read_until(self, kind, flags=0, stream=0):
        """Reads on to that frame. Returns its payload; for HEADERS, the fields."""
        for found, has, of, payload in self.frames:
            payload = dict(self.decoder.decode(payload)) if found == http2.HEADERS else payload
            if (found, of) == (kind, stream) and has & flags == flags:
                return payload
        return self.fail(f"the connection has ended before a frame {kind} of stream {stream}")

    def stop(self):
        self.server.process.send_signal(signal.SIGTERM)

    def assert_stops(self):
        self.assertEqual(self.server.process.wait(TIMEOUT), 0, self.server.logged())

    def test_a_call_on_its_way_is_served(self):
        self.socket.sendall(http2.PREFACE + http2.frame(http2.SETTINGS, 0, 0) + headers("Collect", 1) +
                            http2.frame(http2.DATA, 0, 1, message(what="sum", count=1)) +
                            http2.frame(http2.PING, 0, 0, b"01234567"))
        self.read_until(http2.PING, http2.ACK)
        self.stop()
        self.assertEqual(self.read_until(http2.GOAWAY), struct.pack(">II", 0x7fffffff, 0))
        self.socket.sendall(headers("Unary", 3) + http2.frame(http2.DATA, http2.END_STREAM, 3, message(what="echo")))
        self.assertEqual(self.read_until(http2.HEADERS, http2.END_STREAM, 3)["grpc-status"], "0")
        self.socket.sendall(http2.frame(http2.PING, http2.ACK, 0, b"goodbye\0"))
        self.assertEqual(self.read_until(http2.GOAWAY), struct.pack(">II", 3, 0))
        self.socket.sendall(http2.frame(http2.DATA, http2.END_STREAM, 1))
        self.assertEqual(self.read_until(http2.HEADERS, http2.END_STREAM, 1)["grpc-status"], "0")
        self.socket.close()
        self.assert_stops()

    def test_a_stream_of_a_built_in_service_on_its_way_ends(self):
        self.socket.sendall(http2.PREFACE + http2.frame(http2.SETTINGS, 0, 0) + headers("Collect", 1) +
                            http2.frame(http2.PING, 0, 0, b"01234567"))
        self.read_until(http2.PING, http2.ACK)
        self.stop()
        self.read_until(http2.GOAWAY)
        self.socket.sendall(headers("Watch", 3, service="grpc.health.v1.Health") +
                            http2.frame(http2.DATA, http2.END_STREAM, 3, http2.message(b"")))
        self.assertEqual(self.read_until(http2.DATA, 0, 3), http2.message(b"\x08\x02"))  # NOT_SERVING
        self.assertEqual(self.read_until(http2.HEADERS, http2.END_STREAM, 3)["grpc-status"], "14")
        self.socket.sendall(headers("ServerReflectionInfo", 5, service="grpc.reflection.v1.ServerReflection"))
        self.assertEqual(self.read_until(http2.HEADERS, http2.END_STREAM, 5)["grpc-status"], "14")
        self.socket.sendall(http2.frame(http2.DATA, http2.END_STREAM, 1))
        self.assertEqual(self.read_until(http2.HEADERS, http2.END_STREAM, 1)["grpc-status"], "0")
        self.socket.close()
        self.assert_stops()

    def ask_for_much(self):
        """Makes a call whose handler returns at once and whose response is larger than the window."""
        self.socket.sendall(http2.PREFACE + http2.frame(http2.SETTINGS, 0, 0) +
                            headers("Unary", 1, ("grpc-encoding", "gzip")) +
                            http2.frame(http2.DATA, http2.END_STREAM, 1, message(1, what="echo", data=bytes(LARGE))))
        self.read_until(http2.HEADERS, 0, 1)
        self.stop()
        with self.assertRaises(subprocess.TimeoutExpired):
            self.server.process.wait(1.5)

    def test_an_answer_has_the_grace_period_to_leave(self):
        self.ask_for_much()
        for stream in (0, 1):
            self.socket.sendall(http2.frame(http2.WINDOW_UPDATE, 0, stream, struct.pack(">I", 2 * LARGE)))
        self.assertEqual(self.read_until(http2.HEADERS, http2.END_STREAM, 1)["grpc-status"], "0")
        self.socket.close()
        self.assert_stops()

    def test_an_answer_that_nobody_takes_ends_with_the_grace_period(self):
        self.ask_for_much()
        self.stop()
        self.assert_stops()

    def test_the_rest_of_an_answer_arrives(self):
        self.socket.sendall(http2.request("/echo.Echo/Unary", headers=[("grpc-encoding", "gzip")],
                                          body=message(1, what="echo", data=bytes(LARGE))))
        self.read_until(http2.HEADERS, 0, 1)
        self.stop()
        try:
            self.server.process.wait(0.2)  # must time out: this client has not read the response yet
        except subprocess.TimeoutExpired:
            pass
        self.socket.sendall(http2.frame(http2.WINDOW_UPDATE, 0, 0, struct.pack(">I", 1)))
        self.assertEqual(self.read_until(http2.HEADERS, http2.END_STREAM, 1)["grpc-status"], "0")
        self.socket.close()
        self.assert_stops()
