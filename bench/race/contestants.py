"""The servers of the race: Moonwire's engines, parts of them for comparison, and the peers that this machine can build.

Peers are built below build-bench/peers, from bench/peers and its lock files; the source tree stays clean.
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field

from race import BUILD, ROOT, SERVICE
from race.process import Process, free_port
from race.stubs import MOONWIRE

TOOLS = BUILD / "bench"
PEERS = ROOT / "bench" / "peers"
BUILT = BUILD / "peers"
PROTOS = SERVICE / "proto"


@dataclass
class Contestant:
    name: str
    version: str
    command: list
    kind: str = "peer"  # or "moonwire", "part" (less than a server)
    echoes: bool = False  # Hello echoes the request
    suite: str = "race"  # of the workloads: "race", or "services" for tasks, telemetry and uploads
    only: tuple = ()  # supported workloads of the suite; () for all
    without: tuple = ()  # workloads that it does not support
    environment: dict = field(default_factory=dict)
    warm_up: float = 0  # seconds of unary calls before the first measurement, for a JIT compiler

    def supports(self, workload):
        if workload.suite != self.suite or workload.name in self.without:
            return False
        return not self.only or workload.name in self.only

    def start(self):
        data = BUILD / "data" / self.name
        shutil.rmtree(data, ignore_errors=True)
        command = [str(word).replace("PORT", str(free_port())).replace("DATA", str(data)) for word in self.command]
        return Process(*command, name=self.name, environment=self.environment)


class Skipped(Exception):
    """A peer that cannot be built here; the message is the reason."""


def output(*command, **options):
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True, **options).stdout.strip()


def build(name, *commands, folder=None, environment=None):
    """Runs the commands that build a peer. Their output goes to build-bench/log."""
    (BUILD / "log").mkdir(parents=True, exist_ok=True)
    log = BUILD / "log" / f"build-{name}.log"
    with open(log, "w") as out:
        for command in commands:
            done = subprocess.run(list(map(str, command)), cwd=folder, stdout=out, stderr=subprocess.STDOUT,
                                  env={**os.environ, **(environment or {})})
            if done.returncode != 0:
                raise Skipped(f"{command[0]} failed, see {log.relative_to(ROOT)}")


def need(*tools):
    for tool in tools:
        if not shutil.which(tool):
            raise Skipped(f"no {tool}")


def copied(name, *files):
    """Copies the peer's files that have changed to a folder below build-bench/peers. Returns the folder."""
    folder = BUILT / name
    for file in files:
        source, target = PEERS / name / file, folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or target.read_bytes() != source.read_bytes():
            shutil.copyfile(source, target)
    return folder


# ---- peers ----

def cargo(name, folder, program):
    """Builds a Rust peer. Returns its version of tonic, with the compiler's, and its command."""
    need("cargo", "protoc")
    target = BUILT / folder
    build(name, ["cargo", "build", "--release", "--locked", "--target-dir", target], folder=PEERS / folder)
    lock = (PEERS / folder / "Cargo.lock").read_text()
    version = re.search(r'name = "tonic"\nversion = "(.*)"', lock)[1]
    return f"{version}, {output('rustc', '--version')}", [target / "release" / program, "127.0.0.1:0"]


# Each function below builds a peer and returns its version and its command.

def tonic():
    return cargo("tonic", "rust", "server")


def articles():
    version, command = cargo("articles", "articles", "articles")
    return f"tonic {version}", command


def grpc_go():
    need("go", "protoc")
    folder = copied("go", "go.mod", "go.sum", "main.go")
    for made in ("bin", "pb"):
        (folder / made).mkdir(exist_ok=True)
    plugins = ["google.golang.org/protobuf/cmd/protoc-gen-go", "google.golang.org/grpc/cmd/protoc-gen-go-grpc"]
    build("grpc-go",
          ["go", "build", "-mod=readonly", "-o", folder / "bin", *plugins],
          ["protoc", f"-I{PROTOS}", f"--go_out={folder / 'pb'}", "--go_opt=paths=source_relative",
           f"--go-grpc_out={folder / 'pb'}", "--go-grpc_opt=paths=source_relative", PROTOS / "race.proto"],
          ["go", "build", "-mod=readonly", "-o", folder / "server", "."],
          folder=folder, environment={"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"})
    version = output(folder / "server", "--version")
    return f"{version}, {output('go', 'env', 'GOVERSION', cwd=folder)}", [folder / "server", "127.0.0.1:0"]


def grpc_cpp():
    need("c++", "cmake", "protoc", "grpc_cpp_plugin")
    folder = BUILT / "cpp"
    build("grpc-cpp", ["cmake", "-S", PEERS / "cpp", "-B", folder], ["cmake", "--build", folder])
    version = output(folder / "server", "--version")
    compiler = output("c++", "--version").splitlines()[0]
    return f"{version}, {compiler}", [folder / "server", "127.0.0.1:0"]


def grpc_js():
    need("node", "npm")
    folder = copied("node", "package.json", "package-lock.json", "server.js")
    installed = folder / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < (folder / "package-lock.json").stat().st_mtime:
        build("grpc-js", ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder=folder)
    version = output("node", "-p", "require('@grpc/grpc-js/package.json').version", cwd=folder)
    return f"{version}, node {output('node', '--version')}", ["node", folder / "server.js", "127.0.0.1:0",
                                                              PROTOS / "race.proto"]


def grpc_python():
    need("python3")
    folder = copied("python", "requirements.txt", "server.py")
    python, stamp = folder / "venv" / "bin" / "python", folder / "installed.txt"
    wanted = (folder / "requirements.txt").read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        build("grpcio", ["python3", "-m", "venv", "--clear", folder / "venv"],
              [python, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", "-r", folder / "requirements.txt"])
        stamp.write_text(wanted)
    build("grpcio", [python, "-m", "grpc_tools.protoc", f"-I{PROTOS}", f"--python_out={folder}",
                     f"--grpc_python_out={folder}", PROTOS / "race.proto"])
    version = output(python, "-c", "import grpc; print(grpc.__version__)")
    return f"{version}, {output(python, '--version')}", [python, folder / "server.py", "127.0.0.1:0"]


PEER_BUILDERS = {"tonic": tonic, "grpc-go": grpc_go, "grpc-cpp": grpc_cpp, "grpc-js": grpc_js, "grpcio": grpc_python,
                 "articles": articles}
NO_TOPICS = ("fanout",)
SETTINGS = {"grpc-go": {"environment": {"GOMAXPROCS": "1"}, "without": NO_TOPICS}, "grpc-cpp": {"without": NO_TOPICS},
            "grpc-js": {"warm_up": 3, "without": NO_TOPICS}, "grpcio": {"without": NO_TOPICS},
            "articles": {"suite": "services"}}


# ---- all servers ----

def engines():
    """Returns the engines that this moonwire has, the default one first."""
    text = output(MOONWIRE, "serve", "--help")
    line = re.search(r"--engine NAME\s+(.*)", text)[1]
    return [engine for engine in ("http", "core") if re.search(rf"\b{engine}\b", line)]


def own():
    version = output(MOONWIRE, "--version").split()[-1]
    for engine in engines():
        yield Contestant(f"moonwire-{engine}", version, [
            MOONWIRE, "serve", SERVICE, "--listen", "127.0.0.1:0", "--engine", engine, "--workers", "1",
            "--data", ":memory:"], kind="moonwire")
    unary = ("unary", "document", "single", "paced", "memory", "start")
    for engine in engines():
        yield Contestant(f"engine-{engine}", version, [TOOLS / "unary", engine, "127.0.0.1:PORT"], kind="part",
                         echoes=True, only=unary)
    for engine in engines():
        yield Contestant(f"services-{engine}", version, [
            MOONWIRE, "serve", ROOT, "--listen", "127.0.0.1:0", "--engine", engine, "--workers", "1",
            "--data", "DATA"], kind="moonwire", suite="services")
    yield Contestant("services-memory", version, [
        MOONWIRE, "serve", ROOT, "--listen", "127.0.0.1:0", "--workers", "1", "--data", ":memory:"],
        kind="moonwire", suite="services")
    nghttp2 = output("pkg-config", "--modversion", "libnghttp2")
    yield Contestant("limit", f"nghttp2 {nghttp2}", [TOOLS / "limit", "127.0.0.1:0"], kind="part", echoes=True,
                     without=NO_TOPICS)


def find(wanted):
    """Returns the contestants with the wanted names, or all. Builds peers; prints a skipped one with the reason."""
    every = list(own())
    names = [contestant.name for contestant in every] + list(PEER_BUILDERS)
    for name in wanted or ():
        if name not in names:
            raise SystemExit(f"bench: no server {name!r}; there are {', '.join(names)}")
    found = [contestant for contestant in every if not wanted or contestant.name in wanted]
    for name, builder in PEER_BUILDERS.items():
        if wanted and name not in wanted:
            continue
        try:
            version, command = builder()
        except Skipped as why:
            print(f"{name}: skipped: {why}", flush=True)
            continue
        found.append(Contestant(name, version, command, **SETTINGS.get(name, {})))
    return found
