"""usage: reload_soak.py [--saves N] [--reloads N] [--engine NAME] [--seed N]

Saves a project in many ways, good and broken, under a server that is never idle, and checks: each call is answered, by
one generation as a whole, never by an older one than the call before it; no connection is dropped; the last good save
is in force at the end; memory and descriptors do not grow. Then has the server reload as fast as it can, and checks
memory and descriptors again. In TAP.
"""

import argparse
import itertools
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).parent / "python"))

import grpc  # noqa: E402
from harness import MOONWIRE, TIMEOUT, Requests, Server, stubs  # noqa: E402

PROJECT = pathlib.Path(__file__).parent / "soak"
pb, services = stubs("soak", PROJECT)
GROWTH = 4096  # KB that the allocator and gRPC's threads may add after the warm-up
FIRST = 1000  # versions have four digits, so that a half-written one is no valid version
SANITIZED = any(name in pathlib.Path(MOONWIRE).read_bytes() for name in (b"__asan_init", b"__tsan_init"))


class Wrong(Exception):
    """The server broke a promise of reloading."""


def eventually(condition, what):
    limit = time.monotonic() + TIMEOUT
    while not condition():
        if time.monotonic() > limit:
            raise Wrong(f"not within {TIMEOUT} s: {what}")
        time.sleep(0.005)


class Versions:
    """The versions saved, and the newest one that an answer has shown. Any thread."""

    def __init__(self):
        self.lock = threading.Lock()
        self.saved = {FIRST}
        self.floor = FIRST

    def add(self, version):
        with self.lock:
            self.saved.add(version)

    def check(self, pong, n, floor, version=None):
        """Checks an answer: it is at least as new as `floor`, the newest version when its call began, and of `version`,
        the one that the call has shown before."""
        with self.lock:
            if pong.n != n:
                raise Wrong(f"an answer to {n} is one to {pong.n}")
            if pong.version not in self.saved or pong.newest not in self.saved:
                raise Wrong(f"version {pong.version} (newest {pong.newest}) was never saved")
            if pong.left != pong.right:
                raise Wrong(f"half of a save: left {pong.left}, right {pong.right}")
            if pong.version < floor:
                raise Wrong(f"version {pong.version} after {floor} was in force")
            if pong.newest < max(pong.version, floor):
                raise Wrong(f"the live module is {pong.newest}, in a call of {pong.version}, after {floor}")
            if version not in (None, pong.version):
                raise Wrong(f"a stream went over from {version} to {pong.version}")
            self.floor = max(self.floor, pong.version)
        return pong.version


class Caller(threading.Thread):
    """Makes one kind of call after the other, on a connection of its own, until it is stopped."""

    def __init__(self, address, versions, kind):
        super().__init__(name=kind)
        self.versions, self.kind = versions, kind
        self.channel = grpc.insecure_channel(
            address, options=[("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)])
        grpc.channel_ready_future(self.channel).result(TIMEOUT)
        self.lost = []  # states of the connection other than READY
        self.channel.subscribe(lambda state: state is grpc.ChannelConnectivity.READY or self.lost.append(state))
        self.stub = services.SoakStub(self.channel)
        self.stopping = threading.Event()
        self.calls, self.failure = 0, None

    def run(self):
        try:
            while not self.stopping.is_set():
                getattr(self, self.kind)(self.versions.floor)
                self.calls += 1
        except (grpc.RpcError, Wrong) as error:
            self.failure = error

    def stop(self):
        self.stopping.set()
        self.join()

    def echo(self, floor):
        n = self.calls % 1000
        self.versions.check(self.stub.Echo(pb.Ping(n=n), timeout=TIMEOUT), n, floor)

    def count(self, floor):
        version, n = None, 0
        for n, pong in enumerate(self.stub.Count(pb.Ping(n=20), timeout=TIMEOUT), 1):
            version = self.versions.check(pong, n, floor, version)
        if n != 20:
            raise Wrong(f"a stream ended after {n} of 20 answers")

    def sum(self, floor):
        pong = self.stub.Sum((pb.Ping(n=n) for n in range(20)), timeout=TIMEOUT)
        self.versions.check(pong, 190, floor)

    def talk(self, floor, messages=20):
        requests, version = Requests(), None
        answers = self.stub.Talk(iter(requests), timeout=None)
        for n in range(messages):
            requests.send(pb.Ping(n=n))
            version = self.versions.check(next(answers), n, floor, version)
            if self.kind == "linger" and self.stopping.wait(0.005):
                break
        requests.end()
        if list(answers):
            raise Wrong("an answer that nobody asked for")

    def linger(self, floor):
        """A stream that lasts through many saves and stays in the generation in which it began."""
        self.talk(floor, 400)


LIVE, REFUSED, NOTHING = range(3)  # outcome of a save


class Project:
    """The project folder, and the ways to save in it."""

    def __init__(self, folder, versions, rng):
        self.folder, self.versions, self.rng = folder, versions, rng
        self.version, self.pair, self.methods, self.spares = FIRST, 0, 0, 0
        self.broken = {}  # path: its repaired text, or None for a file to remove
        shutil.copytree(PROJECT, folder, dirs_exist_ok=True)
        self.proto = self.path("proto/soak.proto").read_text()
        self.write("lua/version.lua", self.version_text())
        self.write("lua/conf/..0/left.lua", "return 0\n")
        self.write("lua/conf/..0/right.lua", "return 0\n")
        self.path("lua/conf/..data").symlink_to("..0")
        for name in ("left.lua", "right.lua"):
            self.path(f"lua/conf/{name}").symlink_to(f"..data/{name}")

    def path(self, name):
        return self.folder / name

    def write(self, name, text):
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_text(text)

    def replace(self, name, text):
        self.write(f"{name}.tmp~", text)
        os.replace(self.path(f"{name}.tmp~"), self.path(name))

    def version_text(self):
        return f"return {self.version}\n"

    def next_version(self):
        self.version += 1
        self.versions.add(self.version)
        return self.version_text()

    def mend(self):
        """Repairs the files that were saved broken, in random order."""
        for name, text in self.rng.sample(sorted(self.broken.items()), len(self.broken)):
            if text is None:
                self.path(name).unlink()
            else:
                self.write(name, text)
        self.broken.clear()

    def break_file(self, name, text):
        path = self.path(name)
        self.broken.setdefault(name, path.read_text() if path.exists() else None)
        self.write(name, text)
        return REFUSED

    # good saves

    def in_place(self):
        self.write("lua/version.lua", self.next_version())
        return LIVE

    def rename_over(self):
        self.replace("lua/version.lua", self.next_version())
        return LIVE

    def half_written(self):
        """Empties the file, writes a part that is a valid script of a version that was never saved, completes it
        later."""
        text = self.next_version()
        with open(self.path("lua/version.lua"), "w") as file:
            for part in ("", text[:-3], text[-3:]):
                file.write(part)
                file.flush()
                time.sleep(self.rng.uniform(0, 0.06))
        return LIVE

    def as_an_editor(self):
        """Saves as an editor does: swap file, probe for write access, backup, a new file under the old name."""
        self.write("lua/.version.lua.swp", "b0VIM")
        self.write("lua/4913", "")
        self.path("lua/4913").unlink()
        os.replace(self.path("lua/version.lua"), self.path("lua/version.lua~"))
        self.write("lua/version.lua", self.next_version())
        self.path("lua/version.lua~").unlink()
        self.path("lua/.version.lua.swp").unlink()
        return LIVE

    def swap_link(self):
        """Saves as Kubernetes updates a mounted ConfigMap: both files change in one step."""
        old, self.pair = self.pair, self.pair + 1
        for name in ("left.lua", "right.lua"):
            self.write(f"lua/conf/..{self.pair}/{name}", f"return {self.pair}\n")
        self.path("lua/conf/..data_tmp").symlink_to(f"..{self.pair}")
        os.replace(self.path("lua/conf/..data_tmp"), self.path("lua/conf/..data"))
        shutil.rmtree(self.path(f"lua/conf/..{old}"))
        return LIVE

    def add_spare(self):
        self.spares += 1
        self.write(f"lua/more/spare{self.spares}.lua", "return require 'version'\n")
        return self.in_place()

    def delete_spares(self):
        shutil.rmtree(self.path("lua/more"), ignore_errors=True)
        return LIVE

    def rename_spare(self):
        if not self.path("lua/more").exists():
            return self.add_spare()
        one = self.rng.choice(sorted(self.path("lua/more").iterdir()))
        one.rename(one.with_name(f"renamed_{one.name}"[-60:]))
        return LIVE

    def add_method(self):
        """Adds a method with its handler, and a field; saves the two files in random order. From the fifth on, only
        comments change."""
        self.methods = min(self.methods + 1, 5)
        methods = "".join(f"  rpc Added{n}(Ping) returns (Pong);\n" for n in range(self.methods))
        fields = "".join(f"  int32 added_{n} = {n + 10};\n" for n in range(self.methods))
        handlers = "".join(f"Soak.Added{n} = function(ping) return pong(ping.n) end\n" for n in range(self.methods))
        saves = [
            ("proto/soak.proto", self.proto.replace("  // methods\n", methods).replace("  // fields\n", fields)
             + f"// {self.version}\n"),
            ("lua/added.lua", "local pong = require 'soak'.pong\n"
             f"local Soak = require 'moonwire'.service 'soak.Soak'\n{handlers}-- {self.version}\n"),
        ]
        for name, text in self.rng.sample(saves, 2):
            self.rng.choice((self.write, self.replace))(name, text)
            time.sleep(self.rng.choice((0, 0.04)))
        return LIVE

    def touch(self):
        self.path("lua/soak.lua").touch()
        return LIVE

    # broken saves

    def broken_lua(self):
        return self.break_file("lua/version.lua",
                               self.rng.choice(("return {", "error 'no'", "x = 1", "return nil + 1")))

    def broken_proto(self):
        return self.break_file("proto/soak.proto", self.proto.replace("int32 n = 1;", "int32 n = ;"))

    def breaking_proto(self):
        return self.break_file("proto/soak.proto", self.proto.replace("int32 version = 2", "string version = 2"))

    def unknown_method(self):
        return self.break_file("lua/other.lua", "require 'moonwire'.service 'soak.Soak'.Ohter = print\n")

    def delete_needed(self):
        if not self.path("lua/version.lua").exists():
            return NOTHING
        self.broken.setdefault("lua/version.lua", self.version_text())
        self.path("lua/version.lua").unlink()
        return REFUSED

    def rename_needed(self):
        if not self.path("lua/version.lua").exists():
            return NOTHING
        self.broken.setdefault("lua/version.lua", self.version_text())
        os.replace(self.path("lua/version.lua"), self.path("lua/renamed.lua"))
        self.broken["lua/renamed.lua"] = None
        return REFUSED

    GOOD = (in_place, rename_over, half_written, as_an_editor, swap_link, add_spare, delete_spares, rename_spare,
            add_method, touch)
    BAD = (broken_lua, broken_proto, breaking_proto, unknown_method, delete_needed, rename_needed)

    def save(self, kind):
        if kind in self.GOOD:
            self.mend()
        return kind(self)


class Soak:
    """The server, its callers, and the project."""

    def __init__(self, folder, engine, rng):
        self.rng = rng
        self.versions = Versions()
        self.project = Project(folder, self.versions, rng)
        arguments = ["--workers", "2", *(["--engine", engine] if engine else [])]
        self.server = Server(folder, arguments=arguments)
        self.log = ""
        kinds = ("echo", "echo", "count", "sum", "talk", "linger")
        self.callers = [Caller(self.server.address, self.versions, kind) for kind in kinds]
        self.probe = Caller(self.server.address, self.versions, "echo")  # used by this thread, never started

    def refusals(self):
        """Number of refused reloads in the log so far."""
        self.log += self.server.logged(len(self.log))
        return self.log.count("reload refused")

    def is_live(self):
        floor = self.versions.floor
        pong = self.probe.stub.Echo(pb.Ping(), timeout=TIMEOUT)
        self.versions.check(pong, 0, floor)
        return (pong.version, pong.left) == (self.project.version, self.project.pair)

    def save(self, kind):
        refused = self.refusals()
        outcome = self.project.save(kind)
        if self.rng.random() < 0.1:
            self.server.process.send_signal(signal.SIGHUP)
        if self.rng.random() < 0.3:  # the next save comes while this one is being read, or before
            time.sleep(self.rng.uniform(0, 0.05))
        elif outcome == LIVE:
            eventually(self.is_live, f"{kind.__name__} is live")
        elif outcome == REFUSED:
            eventually(lambda: self.refusals() > refused, f"{kind.__name__} is refused")
        self.check_callers()

    def check_callers(self):
        for caller in (*self.callers, self.probe):
            if caller.failure:
                raise Wrong(f"{caller.name}: {caller.failure}")
            if caller.lost:
                raise Wrong(f"{caller.name}: the connection was {caller.lost[0]}")


def holds(server):
    """Resources of a server: resident KB, file descriptors."""
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    resident = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
    return int(resident), len(os.listdir(f"/proc/{server.process.pid}/fd"))


def check_growth(server, before):
    """Waits for descriptors, as some may be in use briefly. Skips memory under a sanitizer, which changes its use."""
    eventually(lambda: holds(server)[1] <= before[1], f"no more than {before[1]} file descriptors")
    grown = holds(server)[0] - before[0]
    if grown > GROWTH and not SANITIZED:
        raise Wrong(f"the server has grown by {grown} KB from {before[0]} KB")
    return grown


KINDS = (*Project.GOOD, *Project.BAD)


def deck(rng):
    """Yields kinds of saves without end, shuffled deck by deck: good ones more often."""
    while True:
        yield from rng.sample(KINDS + Project.GOOD, len(KINDS + Project.GOOD))


def soak(options, folder):
    """Saves in all ways. Returns a summary line."""
    rng = random.Random(options.seed)
    soak = Soak(folder, options.engine, rng)
    try:
        for caller in soak.callers:
            caller.start()
        warm, held = min(max(len(KINDS), options.saves // 4), options.saves), None
        for number, kind in enumerate(itertools.islice(deck(rng), options.saves), 1):
            soak.save(kind)
            if number == warm:
                held = holds(soak.server)
        soak.save(Project.in_place)
        eventually(soak.is_live, "the last good save is live")
        grown = check_growth(soak.server, held)
        for caller in soak.callers:
            caller.stop()
        soak.check_callers()
    except BaseException:
        for caller in soak.callers:
            caller.stopping.set()
        soak.server.kill()
        print(f"# the end of the log:\n{soak.server.logged()[-4000:]}", file=sys.stderr)
        raise
    if soak.server.stop() != 0:
        raise Wrong(f"the server ended badly:\n{soak.server.logged()[-4000:]}")
    calls = sum(caller.calls for caller in soak.callers)
    return f"{options.saves} saves under {calls} calls: none is lost or wrong, {grown} KB more"


def reloads(options, folder):
    """Reloads the same project, every tenth time with another schema. Returns a summary line."""
    project = Project(folder, Versions(), random.Random(options.seed))
    arguments = ["--workers", "2", *(["--engine", options.engine] if options.engine else [])]
    server = Server(folder, data=folder / "data", arguments=arguments)
    try:
        warm = min(max(100, options.reloads // 4), options.reloads)
        for number in range(1, options.reloads + 1):
            if number % 10 == 0:
                project.replace("proto/soak.proto", f"{project.proto}// {number}\n")
            subprocess.run([MOONWIRE, "reload", "--force", folder], check=True, stdout=subprocess.DEVNULL)
            if number == warm:
                held = holds(server)
        grown = check_growth(server, held)
    finally:
        status = server.stop()
    if status != 0:
        raise Wrong(f"the server ended with {status}:\n{server.logged()[-4000:]}")
    return f"{options.reloads} reloads: {grown} KB more"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--saves", type=int, default=1000)
    parser.add_argument("--reloads", type=int, default=10000)
    parser.add_argument("--engine", default=os.environ.get("MOONWIRE_TEST_ENGINE"))
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    print(f"# seed {options.seed}\n1..2", flush=True)
    failures = 0
    for number, part in enumerate((soak, reloads), 1):
        with tempfile.TemporaryDirectory() as folder:
            try:
                print(f"ok {number} - {part(options, pathlib.Path(folder))}", flush=True)
            except Exception as error:
                failures += 1
                traceback.print_exc()
                print(f"not ok {number} - {part.__name__}: {error}", flush=True)
    return 1 if failures else 0


sys.exit(main())
