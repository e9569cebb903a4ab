"""Helpers of the client tests: generated stubs, a server of their own, request streams.

The stubs are made from the project's .proto files with protoc and gRPC's Python plugin; Debian's packages suffice.
"""

import importlib
import os
import pathlib
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
MOONWIRE = os.environ.get("MOONWIRE", str(ROOT / "build" / "moonwire"))
ENGINE = ["--engine", os.environ["MOONWIRE_TEST_ENGINE"]] if "MOONWIRE_TEST_ENGINE" in os.environ else []
TIMEOUT = int(os.environ.get("TEST_TIMEOUT", 30))  # seconds, for events that are due at once

_stubs = tempfile.TemporaryDirectory()
sys.path.insert(0, _stubs.name)


def stubs(name, folder=ROOT):
    """The generated modules (messages, services) of folder/proto/NAME.proto."""
    protos = folder / "proto"
    if not (pathlib.Path(_stubs.name) / f"{name}_pb2.py").exists():
        subprocess.run(
            ["protoc", f"-I{protos}", f"--python_out={_stubs.name}", f"--grpc_out={_stubs.name}",
             "--plugin=protoc-gen-grpc=/usr/bin/grpc_python_plugin", str(protos / f"{name}.proto")],
            check=True)
    return importlib.import_module(f"{name}_pb2"), importlib.import_module(f"{name}_pb2_grpc")


def project(test, files):
    """Creates a folder with `files`, {path: text}, which lives until the test ends. Returns its path."""
    folder = tempfile.TemporaryDirectory()
    test.addCleanup(folder.cleanup)
    for name, text in files.items():
        path = pathlib.Path(folder.name, name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return pathlib.Path(folder.name)


class Server:
    """`moonwire serve` on a free port, from the constructor until stop()."""

    def __init__(self, folder=ROOT, data=":memory:", arguments=(), prefix=()):
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [*prefix, MOONWIRE, "serve", str(folder), "--listen", "127.0.0.1:0", "--data", str(data), *ENGINE,
             *arguments],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        watchdog = threading.Timer(TIMEOUT, self.process.kill)
        watchdog.start()
        line = self.process.stdout.readline()
        watchdog.cancel()
        if not line.startswith("moonwire: listening on "):
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"the server did not start: {line!r}\n{self.logged()}")
        self.address = line.split()[-1]

    def logged(self, since=0):
        """Returns the log from byte `since` on. Opens the file anew: self.log shares its offset with the server."""
        with open(f"/proc/self/fd/{self.log.fileno()}", errors="replace") as log:
            log.seek(since)
            return log.read()

    def wait_logged(self, *words):
        """Waits for a line with all of the words, as the server's log thread writes later. Returns the log."""
        ends = time.monotonic() + TIMEOUT
        while True:
            log = self.logged()
            if any(all(word in line for word in words) for line in log.splitlines()):
                return log
            if time.monotonic() > ends:
                raise AssertionError(f"no line with {words} in:\n{log}")
            time.sleep(0.005)

    def stop(self):
        """Drains, and returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()
        finally:
            self.process.stdout.close()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class ServiceTest(unittest.TestCase):
    """A server and a channel for all tests of a class. The server must exit with status 0."""

    folder = ROOT
    data = ":memory:"
    arguments = ("--workers", "2")

    @classmethod
    def setUpClass(cls):
        cls.server = Server(cls.folder, cls.data, cls.arguments)
        cls.channel = grpc.insecure_channel(cls.server.address)

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()
        status = cls.server.stop()
        if status != 0:
            raise AssertionError(f"the server ended with status {status}:\n{cls.server.logged()}")

    def new_channel(self):
        """A channel with a connection of its own, which another worker may accept."""
        channel = grpc.insecure_channel(self.server.address, options=[("grpc.use_local_subchannel_pool", 1)])
        self.addCleanup(channel.close)
        return channel

    def assertFails(self, code, call, *args, **kwargs):
        """Runs a call that must fail with the code. Returns the error."""
        kwargs.setdefault("timeout", TIMEOUT)
        with self.assertRaises(grpc.RpcError) as caught:
            result = call(*args, **kwargs)
            if hasattr(result, "__next__"):
                list(result)
        self.assertEqual(caught.exception.code(), code, caught.exception.details())
        return caught.exception


class Requests:
    """A request stream that a test writes to while it reads the responses."""

    END = object()

    def __init__(self):
        self.queue = queue.Queue()

    def send(self, message):
        self.queue.put(message)

    def end(self):
        self.queue.put(self.END)

    def __iter__(self):
        return iter(self.queue.get, self.END)
