"""A connection whose frames a test makes by hand. It counts the frames that the server sends."""

import collections
import socket
import struct

import hpack

import http2
from http2 import (ACK, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PIECE, PING, PREFACE, RST_STREAM, SETTINGS,
                   WINDOW_UPDATE)

CHECK = "/grpc.health.v1.Health/Check"  # a unary method of every server
WATCH = "/grpc.health.v1.Health/Watch"  # a streaming method, which does not end by itself
MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = 3, 4, 5


def connect(address, tls=None):
    """A socket; `tls` is an ssl.SSLContext."""
    host, port = address.rsplit(":", 1)
    sock = socket.create_connection((host, int(port)), timeout=http2.TIMEOUT)
    if not tls:
        return sock
    try:
        return tls.wrap_socket(sock, server_hostname="localhost", suppress_ragged_eofs=False)
    except BaseException:
        sock.close()
        raise


class Connection:
    """Acknowledges PINGs and SETTINGS while `answers` is true."""

    def __init__(self, address, tls=None, settings=()):
        self.sock = connect(address, tls)
        self.answers = True
        self.pings = self.acks = self.goaways = 0
        self.code, self.reason = None, b""  # of the last GOAWAY
        self.messages = 0
        self.settings = {}                  # of the server
        self.credit = collections.Counter() # stream -> bytes that the server has added to its initial window
        self.resets, self.statuses = {}, {} # stream -> HTTP/2 error code; gRPC status
        self.decoder = hpack.Decoder()
        self.frames = http2.read_frames(self.sock)
        self.send(SETTINGS, payload=b"".join(struct.pack(">HI", *each) for each in settings), before=PREFACE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, kind, flags=0, stream=0, payload=b"", before=b""):
        try:
            self.sock.sendall(before + http2.frame(kind, flags, stream, payload))
        except (BrokenPipeError, ConnectionResetError):
            pass  # frames that the server sent before are still to be read

    def ping(self):
        self.send(PING, payload=b"01234567")

    def call(self, path, stream=1, body=http2.message(), end=True):
        """Sends a request, or its beginning unless `end`."""
        block = hpack.Encoder().encode(http2.header_list(path, ()))
        self.send(HEADERS, END_HEADERS, stream, block)
        while len(body) > PIECE:
            self.send(DATA, 0, stream, body[:PIECE])
            body = body[PIECE:]
        self.send(DATA, END_STREAM if end else 0, stream, body)

    def watch(self):
        """Begins a call and waits for its first message."""
        self.call(WATCH)
        self.until(lambda: self.messages)

    def take_headers(self, stream, flags, payload):
        assert flags & END_HEADERS
        values = dict(self.decoder.decode(payload))
        if "grpc-status" in values:
            self.statuses[stream] = int(values["grpc-status"])

    def take(self, kind, flags, stream, payload):
        if kind == HEADERS:
            self.take_headers(stream, flags, payload)
        elif kind == DATA:
            self.messages += 1
        elif kind == RST_STREAM:
            self.resets[stream] = int.from_bytes(payload, "big")
        elif kind == WINDOW_UPDATE:
            self.credit[stream] += int.from_bytes(payload, "big")
        elif kind == GOAWAY:
            self.goaways += 1
            self.code, self.reason = struct.unpack(">I", payload[4:8])[0], payload[8:]
        elif kind == PING and flags & ACK:
            self.acks += 1
        elif kind in (SETTINGS, PING) and not flags & ACK:
            self.pings += kind == PING
            if kind == SETTINGS:
                self.settings.update(struct.iter_unpack(">HI", payload))
            if self.answers:
                self.send(kind, ACK, 0, payload if kind == PING else b"")

    def until(self, condition):
        """Reads until the condition holds. Returns False if the connection ends before."""
        while not condition():
            frame = next(self.frames, None)
            if frame is None:
                return False
            self.take(*frame)
        return True

    def settle(self):
        """Waits until the server has processed all frames sent so far."""
        answered = self.acks + 1
        self.ping()
        return self.until(lambda: self.acks == answered)

    def ends(self):
        self.until(lambda: False)
        return True
