"""Clients that vanish. It speaks just enough HTTP/2 to close its connection at an exact place of a call.

Usage: vanish.py ADDRESS COUNT. Opens COUNT connections, each in a phase of a call of one of the four types, a batch at
a time, and drops the batch: some with a FIN, some with a reset. Prints "done"."""

import itertools
import socket
import struct
import sys

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, GOAWAY = 0, 1, 3, 4, 7
END_STREAM, END_HEADERS = 1, 4
BATCH = 100


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name, value):
    """A header field, neither indexed nor compressed (RFC 7541, 6.2.2)."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def headers(method, flags=END_HEADERS):
    fields = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/echo.Echo/" + method), (b":authority", b"x"),
              (b"te", b"trailers"), (b"content-type", b"application/grpc")]
    return frame(HEADERS, flags, 1, b"".join(itertools.starmap(literal, fields)))


def message(what, end=False, how=b""):
    """A DATA frame with an echo.Message."""
    body = b"\x0a" + bytes([len(what)]) + what + b"\x18\xc0\x84\x3d"  # count = 1,000,000
    if how:
        entry = b"\x0a\x03how\x12" + bytes([len(how)]) + how
        body += b"\x2a" + bytes([len(entry)]) + entry
    return frame(DATA, END_STREAM if end else 0, 1, b"\0" + struct.pack(">I", len(body)) + body)


HELLO = PREFACE + frame(SETTINGS, 0, 0)


def reset(sock):
    sock.sendall(frame(RST_STREAM, 0, 1, struct.pack(">I", 8)))


def read_until_headers(sock):
    """Reads frames until the call's response has begun, so that its handler runs."""
    data = b""
    while True:
        while len(data) >= 9:
            length, kind = int.from_bytes(data[:3], "big"), data[3]
            if len(data) < 9 + length:
                break
            if kind == HEADERS:
                return
            data = data[9 + length:]
        more = sock.recv(65536)
        if not more:
            raise SystemExit("the server closed a connection")
        data += more


# Phases before any handler: (bytes, wait for the response to begin, last action)
phases = [
    (b"", False, None),
    (PREFACE[:10], False, None),
    (HELLO, False, None),
    (HELLO + frame(GOAWAY, 0, 0, bytes(8)), False, None),
]
for method, start in [(b"Unary", message(b"hold", True)), (b"Expand", message(b"flood", True)),
                      (b"Collect", message(b"sum")), (b"Chat", message(b"wait", how=b"sleep"))]:
    begun = HELLO + headers(method)
    answers = method in (b"Unary", b"Expand", b"Chat")
    phases += [
        (begun[:-7], False, None),
        (begun, False, None),
        (begun, False, reset),
        (begun + start[:11], False, None),  # the frame's header and a part of the message's
        (begun + start[:-2], False, None),
        (begun + start, False, None),
        (begun + start, answers, None),
        (begun + start, answers, reset),
        (begun + start + frame(DATA, END_STREAM, 1) if method in (b"Collect", b"Chat") else begun + start, False, None),
    ]
for how in (b"receive", b"send", b"messages", b"generator", b"topic"):
    phases.append((HELLO + headers(b"Chat") + message(b"wait", how=how), True, None))


def main():
    host, port = sys.argv[1].rsplit(":", 1)
    plan = itertools.islice(itertools.cycle(phases), int(sys.argv[2]))
    number = 0
    while batch := list(itertools.islice(plan, BATCH)):
        socks = []
        for data, _, _ in batch:
            sock = socket.create_connection((host, int(port)), timeout=30)
            sock.sendall(data)
            socks.append(sock)
        for sock, (_, wait, act) in zip(socks, batch):
            if wait:
                read_until_headers(sock)
            if act:
                act(sock)
        for sock in socks:
            number += 1
            if number % 2:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
    print("done")


main()
