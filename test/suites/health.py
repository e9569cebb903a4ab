"""Clients of grpc-go and grpc-java with health checking, while the served folder changes.

health/main.go and health/Health.java read the calls to make from stdin. They are built into build/conformance. The Java
client needs a JDK and Maven, and is left out without them."""

import pathlib
import shutil
import subprocess
import tempfile
import threading
import time

from tools import TOOLS, Server, setup

FOLDER = pathlib.Path(__file__).parent / "health"
WAIT = 30  # seconds, for events that are due at once

PROTO = """syntax = "proto3";
package {name};
message Empty {{}}
service S {{ rpc Get(Empty) returns (Empty); }}
"""
LUA = """-- {comment}
local S = require("moonwire").service "{name}.S"
function S.Get(request) return request end
"""


def is_old(program, *sources):
    return not program.exists() or any(program.stat().st_mtime < source.stat().st_mtime for source in sources)


def go():
    """Builds the client of grpc-go. Returns its command."""
    program, sources = TOOLS / "health-go", [FOLDER / "main.go", FOLDER / "go.mod"]
    if is_old(program, *sources):
        copy = TOOLS / "health-go-source"
        shutil.rmtree(copy, ignore_errors=True)
        copy.mkdir(parents=True)
        for source in sources:
            shutil.copy(source, copy)
        print("conformance: go build health", flush=True)
        setup(["go", "mod", "tidy"], "grpc-go cannot be downloaded", cwd=copy)
        setup(["go", "build", "-o", program, "."], "the client of grpc-go cannot be built", cwd=copy)
    return [program]


def java():
    """Builds the client of grpc-java. Returns its command, or None without a JDK or Maven."""
    if not shutil.which("mvn") or not shutil.which("javac"):
        return None
    folder = TOOLS / "health-java"
    jars = folder / "jars"
    if is_old(jars, FOLDER / "pom.xml"):
        shutil.rmtree(folder, ignore_errors=True)
        jars.mkdir(parents=True)
        print("conformance: mvn dependency:copy-dependencies health", flush=True)
        setup(["mvn", "-q", "-B", "-f", FOLDER / "pom.xml", "dependency:copy-dependencies",
               f"-DoutputDirectory={jars}"], "grpc-java cannot be downloaded")
    if is_old(folder / "Health.class", FOLDER / "Health.java"):
        setup(["javac", "-cp", f"{jars}/*", "-d", folder, FOLDER / "Health.java"],
              "the client of grpc-java cannot be built")
    return ["java", "-cp", f"{folder}:{jars}/*", "Health"]


class Client:
    def __init__(self, command, address, service):
        self.process = subprocess.Popen([str(word) for word in [*command, address, service]], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.watchdog = threading.Timer(4 * WAIT, self.process.kill)
        self.watchdog.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.watchdog.cancel()
        self.process.stdin.close()
        try:
            self.process.wait(WAIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def ask(self, method, seconds=WAIT, patience="wait"):
        self.process.stdin.write(f"{method} {int(seconds * 1000)} {patience}\n")
        self.process.stdin.flush()

    def status(self):
        """Reads a status, as capitals without underscores: grpc-go prints NotFound, grpc-java NOT_FOUND."""
        return self.process.stdout.readline().strip().replace("_", "").upper()

    def call(self, *arguments):
        self.ask(*arguments)
        return self.status()


class Project:
    """A folder that serves a.S."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp())
        for name in ("proto", "lua"):
            (self.path / name).mkdir()
        self.add("a")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path)

    def save(self, name, text):
        new = self.path / "new"
        new.write_text(text)
        new.rename(self.path / name)

    def add(self, name, comment=""):
        self.save(f"proto/{name}.proto", PROTO.format(name=name))
        self.save(f"lua/{name}.lua", LUA.format(name=name, comment=comment))

    def remove(self, name):
        (self.path / f"lua/{name}.lua").unlink()


def follows_the_folder(command, project, server):
    """A save adds the client's service, a later one removes it. Calls succeed while the service exists, and only
    then."""
    with Client(command, server.address, "b.S") as client:
        first = client.call("/b.S/Get", 0.5)
        if first != "DEADLINEEXCEEDED":
            return f"before there is b.S: {first}"
        client.ask("/b.S/Get")
        project.add("b")
        if (added := client.status()) != "OK":
            return f"after a save has added b.S: {added}"
        project.remove("b")
        ends = time.monotonic() + WAIT
        while (removed := client.call("/b.S/Get", WAIT, "fast")) != "UNAVAILABLE":
            if time.monotonic() > ends:
                return f"after a save has removed b.S: {removed}"
        client.ask("/b.S/Get")
        project.add("b", "again")
        if (again := client.status()) != "OK":
            return f"after a save has added b.S again: {again}"
    return ""


def bears_reloads(command, project, server):
    """Makes calls with saves in between, each of which is a new generation."""
    with Client(command, server.address, "a.S") as client:
        if (first := client.call("/a.S/Get")) != "OK":
            return f"the first call: {first}"
        for save in range(20):
            project.add("a", f"save {save}")
            for _ in range(20):
                client.ask("/a.S/Get", WAIT, "fast")
            statuses = {client.status() for _ in range(20)}
            if statuses != {"OK"}:
                return f"around save {save}: {', '.join(sorted(statuses))}"
    return ""


SCENARIOS = {"a hot-loaded service is called": follows_the_folder, "saves under load": bears_reloads}


def health(engine, results):
    for name, command in (("grpc-go", go()), ("grpc-java", java())):
        for row, scenario in SCENARIOS.items():
            if command is None:
                results.add(f"{row}, {name}", engine, 0, 0, 1)
                continue
            with Project() as project, Server(engine, project.path) as server:
                fault = scenario(command, project, server)
                note = f"{fault}\n{server.logged()}"
                results.add(f"{row}, {name}", engine, int(not fault), int(bool(fault)), 0, note)
