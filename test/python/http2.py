"""One request as bytes of HTTP/2, on a connection of its own, with no library that corrects mistakes.

    answer = exchange(address, path="/x.Y/Z", headers=[("te", None)], body=message(b"..."))
    answer.status, answer.headers["grpc-encoding"], answer.trailers["grpc-status"], answer.messages, answer.end
"""

import socket
import ssl
import struct

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 1, 1, 4, 8, 32
GRPC = [(":method", "POST"), (":scheme", "http"), (":path", None), (":authority", "localhost"), ("te", "trailers"),
        ("content-type", "application/grpc")]
PIECE = 16384  # bytes that fit into a frame
WINDOW = 1 << 24  # bytes that the server may send
TIMEOUT = 30


def message(data=b"", flag=0):
    """A gRPC message: flag, length, bytes."""
    return struct.pack(">BI", flag, len(data)) + data


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def header_list(path, asked):
    """The headers of a gRPC request. `asked` replaces headers of the same name; None as the value removes one."""
    names = {name for name, _ in asked}
    usual = [(name, path if name == ":path" else value) for name, value in GRPC if name not in names]
    both = [field for field in usual + list(asked) if field[1] is not None]
    return sorted(both, key=lambda field: not field[0].startswith(":"))


def headers_frame(path, stream):
    """A whole request without a body."""
    return frame(HEADERS, END_STREAM | END_HEADERS, stream, hpack.Encoder().encode(header_list(path, ())))


def request(path, headers=(), body=b"", pieces=None, end=True):
    """The bytes of a request on stream 1. `pieces` are the payloads of its DATA frames, in place of `body`."""
    block = hpack.Encoder().encode(header_list(path, headers))
    if pieces is None:
        pieces = [body[at:at + PIECE] for at in range(0, len(body), PIECE)]
    blocks = [block[at:at + PIECE] for at in range(0, len(block), PIECE)]
    out = PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, WINDOW))
    out += frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", WINDOW))
    for i, part in enumerate(blocks):
        flags = END_HEADERS if part is blocks[-1] else 0
        if end and not pieces and i == 0:
            flags |= END_STREAM
        out += frame(CONTINUATION if i else HEADERS, flags, 1, part)
    for i, piece in enumerate(pieces):
        out += frame(DATA, END_STREAM if end and i == len(pieces) - 1 else 0, 1, piece)
    return out


def read_frames(sock):
    """Yields (kind, flags, stream, payload) until the connection ends."""
    data = b""
    while True:
        while len(data) >= 9 + int.from_bytes(data[:3], "big") and len(data) >= 9:
            size = 9 + int.from_bytes(data[:3], "big")
            yield data[3], data[4], int.from_bytes(data[5:9], "big"), data[9:size]
            data = data[size:]
        try:
            more = sock.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError):
            return
        if not more:
            return
        data += more


class Answer:
    """The response. `end` is "stream", "reset CODE", "goaway CODE" or "closed"."""

    def __init__(self):
        self.blocks, self.body, self.end = [], b"", "closed"
        self.block, self.decoder = b"", hpack.Decoder()

    @property
    def headers(self):
        """name -> value, several joined by commas; those of an answer of one block only are its trailers too."""
        return self.blocks[0] if self.blocks else {}

    @property
    def trailers(self):
        return self.blocks[-1] if self.blocks else {}

    @property
    def trailers_only(self):
        return len(self.blocks) == 1 and not self.body

    @property
    def status(self):
        return self.headers.get(":status")

    @property
    def grpc_status(self):
        return int(self.trailers.get("grpc-status", -1))

    @property
    def messages(self):
        """(flag, bytes) of each whole message."""
        found, rest = [], self.body
        while len(rest) >= 5 and len(rest) >= 5 + int.from_bytes(rest[1:5], "big"):
            size = 5 + int.from_bytes(rest[1:5], "big")
            found.append((rest[0], rest[5:size]))
            rest = rest[size:]
        return found

    def add_block(self, flags, payload):
        self.block += payload
        if not flags & END_HEADERS:
            return
        values = {}
        for name, value in self.decoder.decode(self.block):
            values[name] = f"{values[name]},{value}" if name in values else value
        self.blocks.append(values)
        self.block = b""

    def take(self, sock, kind, flags, payload):
        """Takes a frame. Returns whether it is the last."""
        if flags & PADDED and kind in (DATA, HEADERS):
            payload = payload[1:len(payload) - payload[0]]
        if kind in (SETTINGS, PING) and not flags & ACK:
            sock.sendall(frame(kind, ACK, 0, payload if kind == PING else b""))
        elif kind == GOAWAY:
            self.end = f"goaway {int.from_bytes(payload[4:8], 'big')}"
        elif kind == RST_STREAM:
            self.end = f"reset {int.from_bytes(payload, 'big')}"
            return True
        elif kind in (HEADERS, CONTINUATION):
            self.add_block(flags, payload[5:] if kind == HEADERS and flags & PRIORITY else payload)
        elif kind == DATA:
            self.body += payload
        if kind in (DATA, HEADERS) and flags & END_STREAM:
            self.end = "stream"
            return True
        return False


def exchange(address, path, then=None, **how):
    """Sends a request as request() makes it, and returns the Answer. `then` are bytes to send after the answer; with
    them, it reads on until the server closes the connection."""
    host, port = address.rsplit(":", 1)
    answer = Answer()
    with socket.create_connection((host, int(port)), timeout=TIMEOUT) as sock:
        sock.sendall(request(path, **how))
        for kind, flags, _, payload in read_frames(sock):
            if not answer.take(sock, kind, flags, payload):
                continue
            if then is None:
                break
            sock.sendall(then)
            then = b""
    return answer
