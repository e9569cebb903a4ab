"""A server that calls a peer with malformed responses: each call ends with the status of gRPC's mapping from HTTP
(grpc/doc/http-grpc-status-mapping.md), the process lives, and its other calls go on."""

import gzip
import queue
import struct
import threading
import time
import unittest

import http2
from harness import ROOT, TIMEOUT, ServiceTest, stubs
from http2 import DATA, END_HEADERS, END_STREAM, HEADERS, PADDED, message
from peer import OK, STATUS_OK, Peer

FOLDER = ROOT / "test" / "python" / "project"
pb, services = stubs("outbound", FOLDER)
METHODS = ("Unary", "Expand", "Collect", "Chat")


class OutboundTest(ServiceTest):
    folder = FOLDER
    arguments = ("--workers", "1")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.caller = services.CallerStub(cls.channel)

    def run_call(self, peer, method="Unary", **order):
        order.setdefault("deadline", 10)
        target = peer if isinstance(peer, str) else peer.address
        return self.caller.Run(pb.Order(target=target, method=method, **order), timeout=TIMEOUT)


def status(*values, body=message()):
    """A response with those grpc-status values in its trailers."""
    return lambda request: request.reply(body, trailers=[("x-end", "yes"), *(("grpc-status", each) for each in values)])


def http(code, body=b"", kind="text/html"):
    def answer(request):
        request.send_headers([(":status", str(code)), *([("content-type", kind)] if kind else [])], end=not body)
        if body:
            request.send_data(body, end=True)
    return answer


def headers_only(*fields):
    return lambda request: request.send_headers([*OK, *fields], end=True)


def informational(code):
    def answer(request):
        request.send_headers([(":status", str(code))])
        request.reply()
    return answer


def raw(kind, flags, payload, before=True, stream=None):
    """A response of headers, a message, the frame given, and correct trailers."""
    def answer(request):
        if before:
            request.send_headers(OK)
            request.send_data(message())
        request.connection.send(kind, flags, request.stream if stream is None else stream, payload)
        request.send_headers(STATUS_OK, end=True)
    return answer


def body(data, trailers=STATUS_OK, *headers):
    return lambda request: request.reply(data, headers=[*OK, *headers], trailers=trailers)


def reset(code, after=b""):
    def answer(request):
        if after:
            request.send_headers(OK)
            request.send_data(after)
        request.reset(code)
    return answer


GZIP = ("grpc-encoding", "gzip")
HTML = [(":status", "200"), ("content-type", "text/html")]
RESETS = {7: "UNAVAILABLE", 8: "CANCELLED", 11: "RESOURCE_EXHAUSTED", 12: "PERMISSION_DENIED"}

UNREADABLE = "INTERNAL", "UNKNOWN"  # C core ends the call for the error, or for the missing message

# name -> response, expected status or statuses. None if no status is right: then the process just has to live.
WRONG = {
    "END_STREAM and no status": (body(message(), None), "UNKNOWN"),
    "trailers without a status": (status(), "UNKNOWN"),
    "trailers alone without a status": (headers_only(), "UNKNOWN"),
    "status twice": (status("0", "5"), "NOT_FOUND"),
    "status that is not a number": (status("x"), "UNKNOWN"),
    "status that is empty": (status(""), "UNKNOWN"),
    "status out of range": (status("17"), "UNKNOWN"),
    "status far out of range": (status("99999999999"), "UNKNOWN"),
    "status below 0": (status("-1"), "UNKNOWN"),
    "200 without content-type": (lambda r: r.reply(headers=[(":status", "200")]), "OK"),
    "200 with another content-type": (lambda r: r.reply(headers=HTML), "OK"),
    "200 with another content-type and no status": (http(200, b"<html>"), "UNKNOWN"),
    "no :status": (lambda r: r.reply(headers=[("content-type", "application/grpc")]), None),
    "an end within a message": (body(message(b"\n\x0512345")[:-2]), None),
    "an end within a prefix": (body(b"\0\0\0"), None),
    "an end without trailers within a message": (body(message(b"\n\x0512345")[:-2], None), "UNKNOWN"),
    "a length beyond the end": (body(struct.pack(">BI", 0, 1 << 30)), None),
    "a message too large": (body(message(gzip.compress(bytes(5 << 20)), 1), STATUS_OK, GZIP), "RESOURCE_EXHAUSTED"),
    "a flag that is neither 0 nor 1": (body(message(flag=2)), None),
    "compressed without an encoding": (body(message(b"x", 1)), "INTERNAL"),
    "garbage as gzip": (body(message(b"not gzip", 1), STATUS_OK, GZIP), UNREADABLE),
    "an unknown encoding": (body(message(b"x", 1), STATUS_OK, ("grpc-encoding", "zip")), "INTERNAL"),
    "padding longer than its frame": (raw(DATA, PADDED, b"\x80xx"), "INTERNAL"),
    "-bin that is not base64": (lambda r: r.reply(trailers=[("x-bin", "!!!"), *STATUS_OK]), "UNKNOWN"),
    "details that are not base64": (lambda r: r.fail(5, ("grpc-status-details-bin", "!!!")), "UNKNOWN"),
    "details that are not a message": (lambda r: r.fail(5, ("grpc-status-details-bin", "/////w")), "NOT_FOUND"),
    "message with bad percent encoding": (lambda r: r.fail(5, ("grpc-message", "%zz%")), "NOT_FOUND"),
    "HPACK index out of range": (raw(HEADERS, END_HEADERS | END_STREAM, b"\xff\xff\xff\x7f"), None),
    "HPACK cut off": (raw(HEADERS, END_HEADERS | END_STREAM, b"\x40\x7f"), None),
    "HPACK cut off at once": (raw(HEADERS, END_HEADERS | END_STREAM, b"\x40\x7f", False), None),
    "an unknown frame": (raw(99, 0, b"x"), "OK"),
    "a frame of stream 0": (raw(DATA, 0, b"x", stream=0), None),
    "a frame of an idle stream": (raw(DATA, 0, b"x", stream=99), None),
    "trailers twice": (lambda r: (r.reply(), r.send_headers(STATUS_OK, end=True)), "OK"),
    "headers alone": (lambda r: (r.send_headers(OK), r.reset(8)), "CANCELLED"),
}
for code in (100, 103):
    WRONG[f"HTTP {code} first"] = (informational(code), "UNKNOWN")
for code, expected in {301: "UNKNOWN", 400: "INTERNAL", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED",
                       404: "UNIMPLEMENTED", 418: "UNKNOWN", 429: "UNAVAILABLE", 500: "UNKNOWN", 502: "UNAVAILABLE",
                       503: "UNAVAILABLE", 504: "UNAVAILABLE"}.items():
    WRONG[f"HTTP {code}"] = (http(code), expected)
    WRONG[f"HTTP {code} with a body"] = (http(code, b"<html>"), expected)
    WRONG[f"HTTP {code} without content-type"] = (http(code, b"", None), expected)
for code in range(14):
    WRONG[f"reset {code}"] = (reset(code), RESETS.get(code, "INTERNAL"))
    WRONG[f"reset {code} within a message"] = (reset(code, message(b"12345")[:-2]), RESETS.get(code, "INTERNAL"))


def goaway(last, code=0, *later):
    def answer(request):
        request.connection.goaway(last, code)
        for each in later:
            request.connection.goaway(each)
        request.connection.close()
    return answer


GOAWAYS = {
    "an end of the connection": lambda r: r.connection.close(),
    "GOAWAY 0": goaway(0),
    "GOAWAY 0 with an error": goaway(0, 11),
    "GOAWAY of this stream": goaway(1),
    "GOAWAY of this stream with an error": goaway(1, 2),
    "GOAWAY of any stream": goaway(0x7fffffff),
    "GOAWAY of any stream, then 0": goaway(0x7fffffff, 0, 0),
}


class ServersDeadline(OutboundTest):
    def test_a_reset_at_the_deadline_is_the_deadline_s(self):
        """If the peer's timer runs before the client's, the client reads RST_STREAM with CANCEL."""
        pending = queue.PriorityQueue()

        def note(request):
            timeout = request.headers["grpc-timeout"]
            due = time.monotonic() + int(timeout[:-1]) / {"m": 1e3, "u": 1e6, "n": 1e9}[timeout[-1]]
            pending.put((due, request.stream, request))

        def reset_all():
            while (each := pending.get())[2]:
                while time.monotonic() < each[0]:
                    pass  # spins: a sleep could end after the client's timer
                each[2].reset(8)

        resets = threading.Thread(target=reset_all)
        resets.start()
        self.addCleanup(resets.join)
        self.addCleanup(pending.put, (0, 0, None))
        with Peer(note) as peer:
            for method in METHODS * 25:
                outcome = self.run_call(peer, method, messages=1, deadline=0.01)
                self.assertEqual(outcome.code, "DEADLINE_EXCEEDED", outcome.message)

    def test_a_reset_before_it_is_a_cancellation(self):
        with Peer(lambda request: request.reset(8)) as peer:
            self.assertEqual(self.run_call(peer, deadline=TIMEOUT).code, "CANCELLED")


class WrongAnswers(OutboundTest):
    def setUp(self):
        self.good = Peer(lambda request: request.reply())
        self.addCleanup(self.good.__exit__)

    def check(self, name, answer, expected):
        for method in METHODS:
            with self.subTest(name, method=method), Peer(answer) as peer:
                outcome = self.run_call(peer, method, messages=1)
                self.assertEqual(peer.faults, [])
                if expected:
                    self.assertIn(outcome.code, (expected,) if isinstance(expected, str) else expected, outcome.message)
        self.assertEqual(self.run_call(self.good).code, "OK")

    def test_each_ends_its_call(self):
        for name, (answer, expected) in WRONG.items():
            self.check(name, answer, expected)

    def test_connections_that_end(self):
        for name, answer in GOAWAYS.items():
            self.check(name, answer, "UNAVAILABLE")

    def test_other_calls_of_the_connection_go_on(self):
        for name, (answer, expected) in WRONG.items():
            if not expected or "-bin" in name or "base64" in name or "HTTP 10" in name:
                continue  # the connection cannot go on
            kept = []

            def both(request):
                if request.headers[":path"].endswith("Expand"):
                    request.send_headers(OK)
                    kept.append(request)
                else:
                    answer(request)

            with self.subTest(name), Peer(both) as peer:
                order = pb.Order(target=peer.address, method="Expand", deadline=TIMEOUT)
                other = self.caller.Run.future(order, timeout=TIMEOUT)
                peer.until(lambda: kept)
                self.run_call(peer)
                kept[0].send_data(message())
                kept[0].send_headers(STATUS_OK, end=True)
                self.assertEqual((other.result().code, other.result().received), ("OK", 1), other.result().message)


if __name__ == "__main__":
    unittest.main()
