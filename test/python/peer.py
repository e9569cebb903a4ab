"""An HTTP/2 server whose responses a test makes by hand, malformed ones too.

    with Peer(lambda request: request.reply(trailers=[])) as peer:
        ... peer.address, peer.requests, peer.faults

The function receives each request after its headers and the end of its body have arrived. It runs on the thread of the
connection. `faults` lists the client's errors: frames of streams that it never began.
"""

import fcntl
import socket
import struct
import termios
import threading
import time

import hpack

import http2
from http2 import (ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE)

OK = [(":status", "200"), ("content-type", "application/grpc")]
STATUS_OK = [("grpc-status", "0")]


class Request:
    def __init__(self, connection, stream, headers):
        self.connection, self.stream, self.headers = connection, stream, headers
        self.body = bytearray()
        self.attempt = int(headers.get("grpc-previous-rpc-attempts", 0))

    def send_headers(self, fields, end=False):
        self.connection.headers(self.stream, fields, end)

    def send_data(self, data, end=False):
        self.connection.send(DATA, END_STREAM if end else 0, self.stream, data)

    def reset(self, code):
        self.connection.send(RST_STREAM, 0, self.stream, struct.pack(">I", code))

    def reply(self, body=http2.message(), headers=OK, trailers=STATUS_OK):
        """Sends a whole response. If `trailers` is None, the last DATA frame ends the stream."""
        self.send_headers(headers)
        self.send_data(body, end=trailers is None)
        if trailers is not None:
            self.send_headers(trailers, end=True)

    def fail(self, code, *more):
        """Sends a trailers-only response."""
        self.send_headers([*OK, ("grpc-status", str(code)), *more], end=True)


class Connection:
    def __init__(self, peer, sock):
        self.peer, self.sock = peer, sock
        self.encoder, self.decoder = hpack.Encoder(), hpack.Decoder()
        self.open, self.begun = {}, set()
        self.lock = threading.Lock()

    def raw(self, data):
        try:
            with self.lock:
                self.sock.sendall(data)
        except OSError:
            pass  # the client has closed the connection

    def send(self, kind, flags=0, stream=0, payload=b""):
        self.raw(http2.frame(kind, flags, stream, payload))

    def headers(self, stream, fields, end=False):
        self.send(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, self.encoder.encode(fields))

    def goaway(self, last, code=0, reason=b""):
        self.send(GOAWAY, 0, 0, struct.pack(">II", last, code) + reason)

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def take(self, kind, flags, stream, payload):
        if kind == SETTINGS and not flags & ACK:
            self.send(SETTINGS, ACK)
        elif kind == PING and not flags & ACK:
            self.send(PING, ACK, 0, payload)
        elif kind == HEADERS:
            assert flags & END_HEADERS
            self.begun.add(stream)
            self.open[stream] = Request(self, stream, dict(self.decoder.decode(payload)))
            self.peer.on_headers(self.open[stream])
        elif kind in (DATA, RST_STREAM, WINDOW_UPDATE) and stream and stream not in self.begun:
            self.peer.faults.append(f"frame {kind} of stream {stream}, which has not begun")
        elif kind == DATA and stream in self.open:
            self.open[stream].body += payload
        elif kind == RST_STREAM and self.open.pop(stream, None):
            self.peer.resets.append((stream, int.from_bytes(payload, "big")))
        if kind in (DATA, HEADERS) and flags & END_STREAM and stream in self.open:
            self.peer.on_request(self.open.pop(stream))

    def run(self):
        try:
            with self.sock:
                assert self.sock.recv(len(http2.PREFACE), socket.MSG_WAITALL) == http2.PREFACE
                self.peer.on_connection(self)
                for frame in http2.read_frames(self.sock):
                    self.peer.reading.wait(http2.TIMEOUT)
                    self.take(*frame)
        except OSError:
            pass


class Peer:
    def __init__(self, answer=None, settings=()):
        self.answer, self.settings = answer, settings
        self.requests, self.faults, self.resets, self.connections = [], [], [], []
        self.reading = threading.Event()  # cleared: connections are not read
        self.reading.set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            connection.close()

    def until(self, condition):
        """Waits for a condition that the thread of a connection makes true."""
        until = time.monotonic() + http2.TIMEOUT
        while not condition():
            assert time.monotonic() < until, "waited in vain"
            time.sleep(0.001)

    def until_full(self):
        """Waits until the client cannot write any more. `reading` must be cleared."""
        def unread():
            return fcntl.ioctl(self.connections[0].sock, termios.FIONREAD, bytes(4))

        before, until = None, time.monotonic() + http2.TIMEOUT
        while unread() != before or before == bytes(4):
            assert time.monotonic() < until, "the client does not fill its connection"
            before = unread()
            time.sleep(0.1)

    def serve(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(self, sock)
            self.connections.append(connection)
            threading.Thread(target=connection.run, daemon=True).start()

    def on_connection(self, connection):
        connection.send(SETTINGS, payload=b"".join(struct.pack(">HI", *each) for each in self.settings))
        connection.send(WINDOW_UPDATE, 0, 0, struct.pack(">I", http2.WINDOW))

    def on_headers(self, request):
        pass

    def on_request(self, request):
        self.requests.append(request)
        if self.answer:
            self.answer(request)
