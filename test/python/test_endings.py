"""Requests that the client gives up or ends by trailers: their status, and their place in the metrics."""

import os
import pathlib
import re
import signal
import struct
import tempfile
import time
import unittest

import grpc
import hpack

import http2
from connection import Connection
from harness import ROOT, TIMEOUT, Server, ServiceTest, stubs
from http2 import DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM

PROJECT = ROOT / "test" / "python" / "project"
pb, services = stubs("probe", PROJECT)
CORE = os.environ.get("MOONWIRE_TEST_ENGINE") == "core"
PATH = "/probe.Probe/"
OK, UNIMPLEMENTED, INTERNAL = 0, 12, 13
EMPTY, BLOB = b"", pb.Blob(data=b"0123456789").SerializeToString()
FLOOD = pb.FloodRequest(count=1000, size=10000).SerializeToString()  # exceeds the window
METHODS = {"Look": EMPTY, "Wait": EMPTY, "Flood": FLOOD, "Sink": BLOB, "Echo": BLOB}
GIVE_UP = http2.frame(RST_STREAM, 0, 1, struct.pack(">I", 8))


def data(payload, flags=0):
    return http2.frame(DATA, flags, 1, payload)


# Phases of a request; the last one is complete.
PHASES = {
    "headers": lambda body: b"",
    "part of a prefix": lambda body: data(http2.message(body)[:3]),
    "part of a message": lambda body: data(http2.message(body + bytes(10))[:8]),
    "message": lambda body: data(http2.message(body)),
    "end": lambda body: data(http2.message(body), END_STREAM),
}


class EndingsTest(ServiceTest):
    folder = PROJECT
    arguments = ("--workers", "1")

    def headers(self, method, *fields):
        self.encoder = hpack.Encoder()
        block = self.encoder.encode(http2.header_list(PATH + method, fields))
        return http2.frame(HEADERS, END_HEADERS, 1, block)

    def counts(self):
        """(method, code) -> calls that ended with the code, except calls of Metrics."""
        text = services.ProbeStub(self.channel).Metrics(pb.Empty(), timeout=TIMEOUT).data.decode()
        found = re.findall(r'moonwire_calls_total\{method="/probe\.Probe/(\w+)",code="(\w+)"\} (\S+)', text)
        return {(method, code): float(value) for method, code, value in found if method != "Metrics"}

    def counted(self, before):
        """Calls that have ended since `before`."""
        now = self.counts()
        return [each for each in now if now[each] != before.get(each, 0)]

    def assertCounted(self, before, *expected):
        until = time.monotonic() + TIMEOUT
        while not (counted := self.counted(before)) and time.monotonic() < until:
            pass
        self.assertEqual(len(counted), 1)
        self.assertIn(counted[0], expected)


class GivenUp(EndingsTest):
    def each(self, phases=PHASES, methods=METHODS):
        for phase in phases:
            for method in methods:
                with self.subTest(phase=phase, method=method), Connection(self.server.address) as client:
                    client.settle()
                    yield client, method, PHASES[phase](METHODS[method]), self.counts()

    def test_by_reset(self):
        for client, method, body, before in self.each(list(PHASES)[:-1]):
            client.sock.sendall(self.headers(method) + body)
            client.settle()
            client.sock.sendall(GIVE_UP)
            self.assertCounted(before, (method, "CANCELLED"))

    def test_by_reset_while_it_runs(self):
        for client, method, body, before in self.each(["end"], ["Wait"]):
            client.sock.sendall(self.headers(method) + body)
            client.settle()
            client.sock.sendall(GIVE_UP)
            self.assertCounted(before, (method, "CANCELLED"))

    def test_by_reset_in_the_midst_of_the_answer(self):
        for client, method, body, before in self.each(["end"], ["Flood"]):
            client.sock.sendall(self.headers(method) + body)
            client.until(lambda client=client: client.messages)
            client.sock.sendall(GIVE_UP)
            self.assertCounted(before, (method, "CANCELLED"))

    def test_by_reset_with_all_that_was_sent(self):
        """Request and reset arrive together. Engine http does not begin such a call, and so does not count it."""
        for client, method, body, before in self.each():
            client.sock.sendall(self.headers(method) + body + GIVE_UP)
            client.settle()
            if CORE:
                self.assertCounted(before, (method, "CANCELLED"))
            else:
                self.assertEqual(self.counted(before), [])

    def test_by_the_end_of_the_connection(self):
        for client, method, body, before in self.each(list(PHASES)[:-1]):
            client.sock.sendall(self.headers(method) + body)
            client.settle()
            client.sock.close()
            self.assertCounted(before, (method, "CANCELLED"))

    def test_by_the_end_of_the_connection_with_all_that_was_sent(self):
        for client, method, body, before in self.each():
            client.sock.sendall(self.headers(method) + body)
            client.sock.close()
            done = {(method, "OK")} if body.endswith(http2.message(METHODS[method])) and method != "Wait" else set()
            self.assertCounted(before, (method, "CANCELLED"), *done)

    def test_by_their_deadlines(self):
        for client, method, body, before in self.each(list(PHASES)[:-1]):
            client.sock.sendall(self.headers(method, ("grpc-timeout", "20m")) + body)
            self.assertCounted(before, (method, "DEADLINE_EXCEEDED"))


class LateDeadlines(EndingsTest):
    def look(self, timeout):
        answer = http2.exchange(self.server.address, PATH + "Look", body=http2.message(),
                                headers=[("grpc-timeout", timeout)])
        self.assertEqual((answer.grpc_status, len(answer.messages)), (OK, 1), answer.blocks)
        return pb.Seen.FromString(answer.messages[0][1])

    def test_those_beyond_292_years_are_none(self):
        for timeout in ("2562048H", "5000000H", "99999999H"):
            seen = self.look(timeout)
            self.assertEqual((seen.time_remaining, seen.deadline), (-1, -1), timeout)

    def test_others_are_kept(self):
        for timeout, hours in (("2400000H", 2400000), ("99999999M", 99999999 / 60), ("99999999S", 99999999 / 3600)):
            seen = self.look(timeout)
            self.assertAlmostEqual(seen.time_remaining / 3600, hours, delta=1)
            self.assertAlmostEqual((seen.deadline - time.time()) / 3600, hours, delta=1)


class CutShort(unittest.TestCase):
    def test_a_stream_that_the_server_ends_is_not_ok(self):
        """The handler returns when call:send fails."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for name in ("proto", "lua"):
            os.symlink(PROJECT / name, f"{folder.name}/{name}")
        pathlib.Path(folder.name, "moonwire.lua").write_text("return { grace = 0 }")
        server = Server(folder.name, arguments=("--workers", "1"))
        self.addCleanup(server.kill)
        with grpc.insecure_channel(server.address) as channel:
            request = pb.FloodRequest(count=100000, size=10000)  # exceeds all buffers
            replies = services.ProbeStub(channel).Flood(request, timeout=TIMEOUT)
            next(replies)
            server.process.send_signal(signal.SIGTERM)
            with self.assertRaises(grpc.RpcError) as caught:
                list(replies)
            self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)


class EndedByTrailers(EndingsTest):
    def exchange(self, method, body, *trailers):
        answer = http2.Answer()
        with Connection(self.server.address) as client:
            request = self.headers(method) + body
            block = self.encoder.encode(trailers or [("x-checksum", "abc")])
            client.sock.sendall(request + http2.frame(HEADERS, END_STREAM | END_HEADERS, 1, block))
            for kind, flags, _, payload in client.frames:
                if answer.take(client.sock, kind, flags, payload):
                    return answer
        return answer

    def test_a_request_of_one_message_is_served(self):
        for method in ("Look", "Metrics"):
            answer = self.exchange(method, data(http2.message()))
            self.assertEqual((answer.end, answer.grpc_status, len(answer.messages)), ("stream", OK, 1))

    def test_names_of_grpc_s_own_among_them_mean_nothing(self):
        answer = self.exchange("Look", data(http2.message()), ("grpc-status", "5"), ("grpc-timeout", "1n"))
        self.assertEqual((answer.end, answer.grpc_status), ("stream", OK))

    def test_the_number_of_messages_is_judged(self):
        for body, text in ((b"", "no request message, the method takes one"),
                           (data(2 * http2.message()), "more than one request message, the method takes one")):
            answer = self.exchange("Look", body)
            self.assertEqual((answer.end, answer.grpc_status), ("stream", UNIMPLEMENTED))
            self.assertEqual(answer.trailers["grpc-message"], text)

    def test_a_streamed_request_ends(self):
        for method in ("Sink", "Echo"):
            answer = self.exchange(method, data(http2.message(BLOB)))
            self.assertEqual(answer.end, "stream")
            if CORE:
                self.assertEqual(answer.grpc_status, INTERNAL)
                self.assertEqual(answer.trailers["grpc-message"],
                                 "a streamed request must not end by trailers on engine core")
            else:
                self.assertEqual((answer.grpc_status, len(answer.messages)), (OK, 1))


if __name__ == "__main__":
    unittest.main()
