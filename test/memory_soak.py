"""usage: memory_soak.py [--seconds N] [--engine NAME]

Keeps every kind of call under way for N seconds (60), with the project saved every two seconds, and compares the
resident anonymous memory of the server's process in the last quarter of that time with the second quarter. In TAP.
"""

import argparse
import os
import pathlib
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).parent / "python"))

import grpc  # noqa: E402
from harness import TIMEOUT, Server, stubs  # noqa: E402

PROJECT = pathlib.Path(__file__).parent / "steady"
GROWTH = 4096  # KB
SAVE_EVERY = 2  # seconds
CHURN = 50  # calls on a connection
pb, services = stubs("steady", PROJECT)


def item(key="", size=0, n=0):
    return pb.Item(key=key, data=os.urandom(size), n=n)


def echo(stub, rng):
    sent = item("echo", rng.choice((10, 1000, 100_000)))
    assert stub.Echo(sent, timeout=TIMEOUT) == sent


def items(stub, rng):
    n = rng.randrange(200)
    assert sum(1 for _ in stub.Items(item(size=1000, n=n), timeout=TIMEOUT)) == n


def give_up(stub, rng):
    call = stub.Items(item(size=1000, n=100_000), timeout=TIMEOUT)
    for _ in range(rng.randrange(20)):
        next(call)
    call.cancel()


def upload(stub, rng):
    sizes = [rng.randrange(100_000) for _ in range(rng.randrange(1, 20))]
    answer = stub.Upload((item(f"file-{rng.randrange(10)}", size) for size in sizes), timeout=TIMEOUT)
    assert answer.n == sum(sizes)


def room(stub, rng):
    name, n = f"room-{rng.randrange(3)}", rng.randrange(1, 30)
    more = threading.Event()

    def talk():
        for i in range(n):
            yield item(name, 500, i)
        more.wait(TIMEOUT)

    call = stub.Room(talk(), timeout=TIMEOUT)
    assert next(call).key == name
    more.set()
    for heard in call:
        assert heard.key == name


def keep(stub, rng):
    stub.Keep(item(f"key-{rng.randrange(100)}", rng.randrange(2000), rng.randrange(2)), timeout=TIMEOUT)


def fail(stub, rng):
    try:
        stub.Fail(item("it", 100), timeout=TIMEOUT)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.FAILED_PRECONDITION, error
    else:
        raise AssertionError("no error")


class Caller(threading.Thread):
    """Makes one kind of call after the other, with a new connection every CHURN calls, until it is stopped."""

    def __init__(self, address, kind, seed):
        super().__init__()
        self.address, self.kind, self.rng = address, kind, random.Random(seed)
        self.stopped, self.calls, self.error = False, 0, None

    def run(self):
        try:
            while not self.stopped:
                with grpc.insecure_channel(self.address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
                    stub = services.SteadyStub(channel)
                    for _ in range(CHURN):
                        self.kind(stub, self.rng)
                        self.calls += 1
                        if self.stopped:
                            return
        except BaseException:
            self.error = traceback.format_exc()


def resident(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("RssAnon:"):
            return int(line.split()[1])
    raise RuntimeError("no RssAnon")


def measure(server, folder, callers, seconds):
    """Saves and samples for `seconds`. Returns the samples, in KB."""
    samples, saves = [], 0
    script = folder / "lua" / "steady.lua"
    text = script.read_text()
    end = time.monotonic() + seconds
    while time.monotonic() < end and not any(caller.error for caller in callers):
        saves += 1
        script.write_text(f"{text}\n-- save {saves}\n")
        time.sleep(SAVE_EVERY)
        samples.append(resident(server.process.pid))
    return samples, saves


def check(seconds, engine):
    kinds = (echo, items, give_up, upload, room, room, keep, fail)
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary) / "project"
        shutil.copytree(PROJECT, folder)
        server = Server(folder, folder / "data", ["--workers", "2", "--engine", engine])
        callers = [Caller(server.address, kind, seed) for seed, kind in enumerate(kinds)]
        for caller in callers:
            caller.start()
        samples, saves = measure(server, folder, callers, seconds)
        for caller in callers:
            caller.stopped = True
        for caller in callers:
            caller.join()
        status = server.stop()
        problems = [caller.error for caller in callers if caller.error]
        if status != 0:
            problems.append(f"the server ended with status {status}")
        if problems:
            problems.append(server.logged())
            return "\n".join(problems)
    quarter = len(samples) // 4
    early, late = statistics.median(samples[quarter:2 * quarter]), statistics.median(samples[-quarter:])
    print(f"# {sum(caller.calls for caller in callers)} calls, {saves} saves, {early:.0f} KB, then {late:.0f} KB")
    if late > early + GROWTH:
        return f"it grew from {early:.0f} to {late:.0f} KB; in turn: {' '.join(map(str, samples))}"
    return None


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n")[0].removeprefix("usage: "))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--engine", default="http")
    options = parser.parse_args()
    print("1..1")
    problem = check(options.seconds, options.engine)
    for line in (problem or "").splitlines():
        print(f"# {line}")
    print(f"{'not ok' if problem else 'ok'} 1 - memory stays flat on {options.engine}")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
