"""A load of unary calls over connections of its own, for tests of an overloaded server.

    with Load(address, connections=4) as load:
        peak = load.closed(callers=8, seconds=1, call=call)
        open = load.open(rate=800, seconds=2, call=call, also=[(CHECK, b"", 20)])

It uses one thread, so that the client needs little processor time. It does not reset calls at their deadline: the
server has to enforce it."""

import collections
import selectors
import struct
import time

import hpack

import http2
from connection import connect
from http2 import ACK, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS, WINDOW_UPDATE

Call = collections.namedtuple("Call", "path body timeout_ms", defaults=(b"", None))
# `meanwhile`: OK results from the worker of its connection while the call was under way
Result = collections.namedtuple("Result", "call status seconds connection meanwhile")
PATIENCE = 30  # seconds, for answers after the last call


class Connection:
    def __init__(self, load, address, number):
        self.load, self.number = load, number
        self.sock = connect(address)
        self.sock.setblocking(False)
        self.decoder = hpack.Decoder()
        self.input, self.output = b"", PREFACE + http2.frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 1 << 30))
        self.output += http2.frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1 << 30))
        self.stream = 1
        self.waiting = {}  # stream -> call, time sent, OK results of `home` at that time
        self.messages = {} # stream -> its newest message
        self.message = b""  # newest message of all streams
        self.home = None    # message by which its worker answers, see find_homes()

    def send(self, call, blocks={}):  # pylint: disable=dangerous-default-value
        """Encodes the headers of a path and timeout once: a decoder accepts an encoder's first block at any time."""
        block = blocks.get((call.path, call.timeout_ms))
        if block is None:
            headers = [("grpc-timeout", f"{call.timeout_ms}m")] if call.timeout_ms else []
            block = hpack.Encoder().encode(http2.header_list(call.path, headers))
            blocks[call.path, call.timeout_ms] = block
        self.output += http2.frame(HEADERS, END_HEADERS, self.stream, block)
        self.output += http2.frame(DATA, END_STREAM, self.stream, http2.message(call.body))
        self.waiting[self.stream] = call, time.monotonic(), self.load.succeeded[self.home]
        self.stream += 2

    def flush(self):
        while self.output:
            try:
                self.output = self.output[self.sock.send(self.output):]
            except BlockingIOError:
                return

    def read(self):
        """Yields a Result for each call that ends."""
        more = self.sock.recv(1 << 20)
        assert more, "the server has closed the connection"
        self.input += more
        at = 0
        while len(self.input) - at >= 9:
            size = 9 + int.from_bytes(self.input[at:at + 3], "big")
            if len(self.input) - at < size:
                break
            kind, flags, stream = (self.input[at + 3], self.input[at + 4],
                                   int.from_bytes(self.input[at + 5:at + 9], "big"))
            yield from self.take(kind, flags, stream, self.input[at + 9:at + size])
            at += size
        self.input = self.input[at:]

    def take(self, kind, flags, stream, payload):
        status = None
        if kind == HEADERS:
            fields = dict(self.decoder.decode(payload))
            status = int(fields.get("grpc-status", -1))
        elif kind == DATA:
            self.message = self.messages[stream] = payload[5:]
        elif kind == RST_STREAM and stream in self.waiting:
            status, flags = f"reset {int.from_bytes(payload, 'big')}", END_STREAM
        elif kind in (SETTINGS, PING) and not flags & ACK:
            self.output += http2.frame(kind, ACK, 0, payload if kind == PING else b"")
        if kind in (HEADERS, RST_STREAM) and flags & END_STREAM and stream in self.waiting:
            call, sent, before = self.waiting.pop(stream)
            yield Result(call, status, time.monotonic() - sent, self.number, self.load.succeeded[self.home] - before)
            self.load.succeeded[self.messages.pop(stream, None)] += status == 0


class Load:
    def __init__(self, address, connections):
        self.selector = selectors.DefaultSelector()
        self.succeeded = collections.Counter()  # message -> OK results with it
        self.connections = [Connection(self, address, i) for i in range(connections)]
        for connection in self.connections:
            self.selector.register(connection.sock, selectors.EVENT_READ, connection)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in self.connections:
            connection.sock.close()
        self.selector.close()

    def turn(self, seconds):
        """Sends buffered frames and waits at most `seconds` for results."""
        for connection in self.connections:
            connection.flush()
        results = []
        for key, _ in self.selector.select(seconds):
            results += key.data.read()
        return results

    def finish(self):
        """Waits for the calls under way. Returns their results."""
        results, last = [], time.monotonic() + PATIENCE
        while any(connection.waiting for connection in self.connections):
            assert time.monotonic() < last, "calls without an answer"
            results += self.turn(0.1)
        return results

    def find_homes(self, call):
        """Makes `call` once on each connection, while the server is idle. Its message has to identify the worker."""
        for connection in self.connections:
            connection.send(call)
            self.finish()
            connection.home = connection.message

    def closed(self, callers, seconds, call):
        """Keeps `callers` calls under way for `seconds`. Returns the results."""
        results, last = [], time.monotonic() + seconds
        for i in range(callers):
            self.connections[i % len(self.connections)].send(call)
        while time.monotonic() < last:
            for result in self.turn(0.1):
                results.append(result)
                self.connections[result.connection].send(call)
        self.finish()
        return results

    def open(self, rate, seconds, call, also=()):
        """Makes `rate` calls a second, without waiting for results, on the connections in turn; likewise for each
        (call, rate) of `also`. Returns the results."""
        began, results = time.monotonic(), []
        kinds = [[call, rate, 0], *([other, more, 0] for other, more in also)]
        while time.monotonic() < began + seconds:
            for kind in kinds:
                while kind[2] < (time.monotonic() - began) * kind[1]:
                    self.connections[kind[2] % len(self.connections)].send(kind[0])
                    kind[2] += 1
            results += self.turn(0.001)
        return results + self.finish()
