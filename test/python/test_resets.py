"""Clients that disconnect, cancel, reset and stop reading at random, on all four call types at once. Afterwards the
server answers as before, holds nothing of their calls, and exits with status 0, which sanitizers check too.

RESETS_SECONDS (4) is the duration. RESETS_SEED (random; printed when a test fails) fixes the random choices.
"""

import os
import random
import socket
import struct
import threading
import time
import unittest

import hpack

import http2
from harness import ROOT, TIMEOUT, ServiceTest, stubs

ECHO = ROOT / "test" / "projects" / "echo"
pb, services = stubs("echo", ECHO)
SECONDS = float(os.environ.get("RESETS_SECONDS", 4))
SEED = int(os.environ.get("RESETS_SEED", time.time_ns() & 0xffffffff))
CLIENTS, ENOUGH = 8, 5  # responses that each client has to receive, after RESETS_SECONDS too
WINDOWS = (0, 10, 1000, 65535, 1 << 20)
CODES = (0, 2, 5, 7, 8)  # NO_ERROR, INTERNAL_ERROR, STREAM_CLOSED, REFUSED_STREAM, CANCEL


def headers(method, timeout):
    asked = [("grpc-timeout", timeout)] if timeout else []
    return hpack.Encoder().encode(http2.header_list(f"/echo.Echo/{method}", asked))


BLOCKS = {(method, timeout): headers(method, timeout)
          for method in ("Unary", "Expand", "Collect", "Chat") for timeout in (None, "1m", "20m", "5S")}


class Client(threading.Thread):
    """Opens one connection after the other, each with some streams and a random end."""

    def __init__(self, address, number, until):
        super().__init__()
        host, port = address.rsplit(":", 1)
        self.address, self.target, self.until = (host, int(port)), address, until
        self.random = random.Random(f"{SEED} {number}")
        self.answered = self.connections = 0
        self.error = None

    def run(self):
        try:
            while time.monotonic() < self.until or (self.answered < ENOUGH and time.monotonic() < self.until + TIMEOUT):
                self.connections += 1
                with socket.create_connection(self.address, timeout=TIMEOUT) as self.sock:
                    self.connection()
        except Exception as error:  # for the test, which raises it
            self.error = error

    def connection(self):
        self.data, self.next, self.open = b"", 1, []
        window = self.random.choice(WINDOWS)
        try:
            self.sock.sendall(http2.PREFACE + http2.frame(http2.SETTINGS, 0, 0, struct.pack(">HI", 4, window)))
            for _ in range(self.random.randrange(80)):
                self.random.choice((self.call, self.call, self.say, self.say, self.end, self.reset, self.let,
                                    self.read))()
            self.leave()
        except (ConnectionError, EOFError):
            pass  # the server has closed this connection

    def send(self, kind, flags, stream, payload=b""):
        self.sock.sendall(http2.frame(kind, flags, stream, payload))

    def request(self, method):
        """The first message of a call."""
        one = self.random.random()
        if method == "Unary":
            what = self.random.choice(("echo", "sleep", "large", "status", "hold", "forward"))
            return pb.Message(what=what, text=self.target if what == "forward" else "ABORTED", count=40_000,
                              seconds=one / 50, pairs={"what": "sleep"})
        what = {"Expand": ("count", "forever", "metadata"), "Collect": ("sum", "first_only"),
                "Chat": ("echo", "both_ways")}[method]
        return pb.Message(what=self.random.choice(what), text="x" * int(one * 2000), count=int(one * 300))

    def call(self):
        method = self.random.choice(("Unary", "Unary", "Expand", "Collect", "Chat"))
        block = BLOCKS[method, self.random.choice((None, None, "1m", "20m", "5S"))]
        stream, self.next = self.next, self.next + 2
        self.send(http2.HEADERS, http2.END_HEADERS, stream, block)
        if self.random.random() < 0.1:
            self.open.append((stream, None))  # headers only so far
            return
        first = http2.message(self.request(method).SerializeToString())
        single = method in ("Unary", "Expand") and self.random.random() < 0.9
        cut = len(first) if single else self.random.choice((len(first), len(first), 3, len(first) // 2))
        self.send(http2.DATA, http2.END_STREAM if single else 0, stream, first[:cut])
        self.open.append((stream, None if single else first[cut:]))

    def say(self):
        """Sends the rest of a message, or another one."""
        if not self.open:
            return
        at = self.random.randrange(len(self.open))
        stream, rest = self.open[at]
        if rest is not None:
            self.send(http2.DATA, 0, stream,
                      rest or http2.message(pb.Message(text="more", count=1).SerializeToString()))
            self.open[at] = (stream, b"")

    def take(self):
        return self.open.pop(self.random.randrange(len(self.open))) if self.open else (None, None)

    def end(self):
        stream, rest = self.take()
        if rest is not None:
            self.send(http2.DATA, http2.END_STREAM, stream)

    def reset(self):
        stream, _ = self.take()
        if stream:
            self.send(http2.RST_STREAM, 0, stream, struct.pack(">I", self.random.choice(CODES)))

    def let(self):
        """Sends WINDOW_UPDATE."""
        more = struct.pack(">I", self.random.choice((1, 100, 100_000)))
        for stream in [0] + [stream for stream, _ in self.open]:
            self.send(http2.WINDOW_UPDATE, 0, stream, more)

    def read(self, timeout=0.001):
        """Reads frames for `timeout` seconds. Returns False if none has arrived."""
        self.sock.settimeout(timeout)
        try:
            more = self.sock.recv(1 << 18)
        except (TimeoutError, BlockingIOError):
            return False
        finally:
            self.sock.settimeout(TIMEOUT)
        if not more:
            raise EOFError
        self.data += more
        while len(self.data) >= 9:
            size = 9 + int.from_bytes(self.data[:3], "big")
            if len(self.data) < size:
                break
            kind, flags = self.data[3], self.data[4]
            if kind in (http2.SETTINGS, http2.PING) and not flags & http2.ACK:
                self.send(kind, http2.ACK, 0, self.data[9:size] if kind == http2.PING else b"")
            self.answered += kind in (http2.HEADERS, http2.DATA) and bool(flags & http2.END_STREAM)
            self.data = self.data[size:]
        return True

    def leave(self):
        how = self.random.choice(("close", "abort", "cut", "goaway", "shut", "patient"))
        if how == "abort":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif how == "cut":
            self.sock.sendall(http2.frame(http2.DATA, 0, 1, bytes(100))[:self.random.randrange(1, 100)])
        elif how == "goaway":
            self.send(http2.GOAWAY, 0, 0, struct.pack(">II", 0, 0))
            self.read()
        elif how == "shut":
            self.sock.shutdown(socket.SHUT_WR)
            while self.read(TIMEOUT):
                pass
        elif how == "patient":
            for _ in range(30):  # some streams do not end by themselves
                if not self.read(0.2):
                    break
                self.let()


class Resets(ServiceTest):
    folder = ECHO

    def test_a_server_outlives_its_clients(self):
        until = time.monotonic() + SECONDS
        clients = [Client(self.server.address, number, until) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        words = f"RESETS_SEED={SEED}\n{self.server.logged()[-4000:]}"
        self.assertEqual([client.error for client in clients if client.error], [], words)
        self.assertGreaterEqual(min(client.answered for client in clients), ENOUGH, words)
        print(f"# {sum(client.connections for client in clients)} connections, "
              f"{sum(client.answered for client in clients)} answers", flush=True)
        self.assertNothingLeft(words)

    def assertNothingLeft(self, words):
        """Asserts that no call is left except the one that asks."""
        echo = services.EchoStub(self.channel)
        deadline = time.monotonic() + TIMEOUT
        while True:
            counts = echo.Unary(pb.Message(what="counts"), timeout=TIMEOUT).pairs
            if float(counts["calls"]) == float(counts["coroutines"]) == 1:
                return
            self.assertLess(time.monotonic(), deadline, f"{dict(counts)} are left\n{words}")


if __name__ == "__main__":
    unittest.main()
