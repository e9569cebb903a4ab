#!/usr/bin/python3
"""usage: adapter.py server|client

connectconformance starts it. It speaks the suite's protocol on stdin and stdout, and runs `moonwire serve` in the
folder CONNECT_PROJECT, on ENGINE. As a server it serves the suite's calls; as a client it passes each call that the
suite requests to a handler (lua/driver.lua), which makes the call."""

import concurrent.futures
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

import grpc

PARALLEL = 8


def varint(n):
    out = b""
    while n > 0x7F:
        out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
    return out + bytes([n])


def length_delimited(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def fields(data):
    """Decodes the varint and length-delimited fields of a message, {number: value}."""
    values, at = {}, 0

    def take():
        nonlocal at
        n = shift = 0
        while True:
            byte = data[at]
            at += 1
            n |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return n

    while at < len(data):
        tag = take()
        value = take()
        if tag & 7 == 2:
            value, at = data[at:at + value], at + value
        values[tag >> 3] = value
    return values


def read_message():
    head = sys.stdin.buffer.read(4)
    return sys.stdin.buffer.read(int.from_bytes(head, "big")) if len(head) == 4 else None


def write_message(data):
    sys.stdout.buffer.write(len(data).to_bytes(4, "big") + data)
    sys.stdout.buffer.flush()


def unblock():
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


class Moonwire:
    """A server in a copy of the project with these settings, until stop()."""

    def __init__(self, settings, files=()):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        shutil.copytree(os.environ["CONNECT_PROJECT"], self.folder / "project")
        for name, data in dict(files).items():
            (self.folder / "project" / name).write_bytes(data)
        (self.folder / "project" / "moonwire.lua").write_text(f"return {{ {settings} }}\n")
        self.process = subprocess.Popen(
            [os.environ["MOONWIRE"], "serve", self.folder / "project", "--engine", os.environ["ENGINE"],
             "--listen", "127.0.0.1:0", "--data", self.folder / "data", "--workers", "2"],
            stdout=subprocess.PIPE, stderr=sys.stderr, text=True, preexec_fn=unblock,
            env={**os.environ, "CONNECT_DATA": str(self.folder / "data")})
        line = self.process.stdout.readline()
        if "listening on" not in line:
            self.stop()
            sys.exit("adapter.py: moonwire serve did not start")
        self.address = line.split()[-1]

    def stop(self):
        self.process.terminate()
        self.process.wait(60)
        shutil.rmtree(self.folder)


def serve():
    stops = [signal.SIGTERM, signal.SIGINT]
    signal.pthread_sigmask(signal.SIG_BLOCK, stops)  # before threads start, which inherit the mask, and until sigwait()
    request = fields(read_message())
    settings, files = ['log_level = "off", grace = 1'], {}
    if request.get(6):
        settings.append(f"limits = {{ message_bytes = {request[6]} }}")
    certificate = b""
    if request.get(4):
        credentials = fields(request[7])
        certificate = credentials[1]
        files = {"cert.pem": certificate, "key.pem": credentials[2], "ca.pem": request.get(5, b"")}
        client_ca = ', client_ca = "ca.pem"' if request.get(5) else ""
        settings.append(f'tls = {{ cert = "cert.pem", key = "key.pem"{client_ca} }}')
    server = Moonwire(", ".join(settings), files)
    host, port = server.address.rsplit(":", 1)
    write_message(length_delimited(1, host.encode()) + b"\x10" + varint(int(port))
                  + (length_delimited(3, certificate) if certificate else b""))
    signal.sigwait(stops)
    server.stop()


def call():
    server = Moonwire('log_level = "off"')

    def abort(*_):
        server.stop()
        os._exit(1)

    signal.signal(signal.SIGTERM, abort)
    channel = grpc.insecure_channel(server.address, [("grpc.max_receive_message_length", -1)])
    run = channel.unary_unary("/driver.Driver/Run")  # bytes to bytes
    lock = threading.Lock()

    def one(request):
        try:
            response = run.future(request).result(60)  # no gRPC deadline: the handler's outbound call would inherit it
        except (grpc.RpcError, grpc.FutureTimeoutError) as error:
            name = fields(request)[1]
            words = str(error).encode()
            response = length_delimited(1, name) + length_delimited(3, length_delimited(1, words))
        with lock:
            write_message(response)

    with concurrent.futures.ThreadPoolExecutor(PARALLEL) as pool:
        while (request := read_message()) is not None:
            pool.submit(one, request)
    server.stop()


serve() if sys.argv[1] == "server" else call()
