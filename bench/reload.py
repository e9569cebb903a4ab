#!/usr/bin/python3
"""usage: bench/reload.py [--engine http|core] [--saves N] [--seconds S]

Measures reloading on two workers, and prints two tables: the time from a save until a call gets the new code, for a
script and for one of 20 protos; and the effect on calls under full load (h2load, 10 connections with 10 streams each)
while the project is saved ten times a second.
"""

import argparse
import itertools
import os
import pathlib
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "test" / "python"))

import grpc  # noqa: E402
from harness import Server, stubs  # noqa: E402

PROTOS = 20
hello, greeter = stubs("helloworld")
METHOD = "/helloworld.Greeter/SayHello"
REQUEST = hello.HelloRequest(name="World")

SCRIPT = """local Greeter = require "moonwire".service "helloworld.Greeter"
function Greeter.SayHello(request) return {{ message = "{}" }} end
"""


class Project:
    """The default services, with a greeter that replies with the number of its save, and protos up to PROTOS."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        for part in ("proto", "lua"):
            shutil.copytree(ROOT / part, self.folder / part)
        for n in range(len(list((self.folder / "proto").iterdir())), PROTOS):
            fields = "".join(f"  string field_{i} = {i};\n" for i in range(1, 20))
            (self.folder / "proto" / f"more{n}.proto").write_text(
                f'syntax = "proto3";\npackage more{n};\nmessage M {{\n{fields}}}\n'
                f"service S {{ rpc Call(M) returns (M); }}\n")
        self.numbers = itertools.count(1)
        self.script()

    def script(self):
        """Saves the greeter with a new number. Returns the number."""
        number = str(next(self.numbers))
        (self.folder / "lua" / "greeter.lua").write_text(SCRIPT.format(number))
        return number

    def proto(self):
        """Saves an edited proto and the greeter. Returns the greeter's number."""
        number = self.script()
        with open(self.folder / "proto" / "more19.proto", "a") as file:
            file.write(f"message Added{number} {{ string text = 1; }}\n")
        return number


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def latencies(server, save, count):
    """Returns the milliseconds from each of `count` saves until a call gets its number."""
    taken = []
    with grpc.insecure_channel(server.address) as channel:
        stub = greeter.GreeterStub(channel)
        for _ in range(count):
            time.sleep(0.1)  # time to finish the save before, and to collect its garbage
            number = save()
            saved = time.monotonic()
            while stub.SayHello(REQUEST, timeout=10).message != number:
                pass
            taken.append((time.monotonic() - saved) * 1000)
    return taken


class Saver(threading.Thread):
    """Saves every 100 ms, until it is stopped."""

    def __init__(self, save):
        super().__init__()
        self.save, self.stopped = save, threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.join()

    def run(self):
        while self.save and not self.stopped.wait(0.1):
            self.save()


class Checker(threading.Thread):
    """Calls in sequence, and counts failed calls, because h2load does not check the status in the trailers."""

    def __init__(self, address):
        super().__init__()
        self.address, self.stopped, self.failed = address, threading.Event(), 0

    __enter__, __exit__ = Saver.__enter__, Saver.__exit__

    def run(self):
        with grpc.insecure_channel(self.address) as channel:
            stub = greeter.GreeterStub(channel)
            while not self.stopped.wait(0.001):
                try:
                    stub.SayHello(REQUEST, timeout=10)
                except grpc.RpcError:
                    self.failed += 1


def under_load(server, save, seconds):
    """Returns calls per second, their p99 in milliseconds and the number of failed ones. `save` runs every 100 ms; it
    may be None."""
    body = REQUEST.SerializeToString()
    with tempfile.NamedTemporaryFile() as data, tempfile.NamedTemporaryFile() as log:
        data.write(struct.pack(">BI", 0, len(body)) + body)
        data.flush()
        with Saver(save), Checker(server.address) as checker:
            output = subprocess.run(
                ["h2load", "-t1", "-c10", "-m10", f"-D{seconds}", f"--log-file={log.name}", "-H",
                 "content-type: application/grpc", "-H", "te: trailers", "-d", data.name,
                 f"http://{server.address}{METHOD}"], capture_output=True, text=True, check=True).stdout
        taken = [int(line.split()[2]) for line in log]
    failed, errored = (int(re.search(rf"(\d+) {word}", output)[1]) for word in ("failed", "errored"))
    return len(taken) / seconds, percentile(taken, 0.99) / 1000, failed + errored + checker.failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", help="the default engine unless given")
    parser.add_argument("--saves", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Project(folder)
        engine = ("--engine", options.engine) if options.engine else ()
        server = Server(folder, arguments=("--workers", "2", *engine))
        try:
            print(f"{'save to served, two workers':<40}{'median':>10}{'p99':>10}")
            for name, save, goal in (("a script", project.script, 60), (f"one of {PROTOS} protos", project.proto, 100)):
                taken = latencies(server, save, options.saves)
                print(f"{name:<40}{statistics.median(taken):>7.1f} ms{percentile(taken, 0.99):>7.1f} ms"
                      f"   median below {goal} ms", flush=True)
            print(f"\n{'under full load':<40}{'req/s':>10}{'p99':>10}{'failed':>10}")
            for name, save in (("no saves", None), ("ten scripts a second", project.script),
                               ("ten protos a second", project.proto)):
                rate, p99, failed = under_load(server, save, options.seconds)
                print(f"{name:<40}{rate:>10,.0f}{p99:>7.1f} ms{failed:>10}", flush=True)
        finally:
            server.stop()


main()
