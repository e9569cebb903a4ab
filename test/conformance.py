#!/usr/bin/env python3
"""usage: test/conformance.py [NAME=CLIENT]...

Holds the server against other people's suites: h2spec, and the gRPC interoperability cases in grpc-go's client, which
calls examples/interop. Both are installed with Go into build/conformance, unless they are there. CLIENT is another
interop client to run, of any implementation: they all take the same options.

Prints a table and what failed; ends with "N passed, N failed", and exits with 1 unless all passed."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parents[1]
MOONWIRE = os.environ.get("MOONWIRE", str(ROOT / "build" / "moonwire"))
TOOLS = ROOT / "build" / "conformance"
ENGINES = os.environ.get("ENGINES", "http core").split()
H2SPEC = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible"
GRPC_GO = "google.golang.org/grpc/interop/client@v1.85.0"
TIMEOUT = 120  # seconds, for one case

# Those that need neither TLS nor accounts nor a load balancer. No client knows all of them.
CASES = """empty_unary cacheable_unary large_unary client_compressed_unary server_compressed_unary client_streaming
  client_compressed_streaming server_streaming server_compressed_streaming ping_pong half_duplex empty_stream
  slow_consumer custom_metadata status_code_and_message special_status_message unimplemented_method
  unimplemented_service cancel_after_begin cancel_after_first_response timeout_on_sleeping_server
  concurrent_large_unary pick_first_unary rpc_soak channel_soak""".split()


class Server:
    """`moonwire serve` on a free port."""

    def __init__(self, engine):
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [MOONWIRE, "serve", str(ROOT / "examples" / "interop"), "--engine", engine, "--listen", "127.0.0.1:0",
             "--data", ":memory:"], stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        if "listening on" not in line:
            self.log.seek(0)
            sys.exit(f"conformance: moonwire serve --engine {engine} did not start:\n{self.log.read()}")
        self.host, self.port = line.split()[-1].rsplit(":", 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)


def install(package):
    """The program of a Go package."""
    path = TOOLS / package.split("@")[0].split("/")[-1]
    if not path.exists():
        print(f"conformance: go install {package}", flush=True)
        done = subprocess.run(["go", "install", package], env={**os.environ, "GOBIN": str(TOOLS)},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            sys.exit(f"{done.stdout}conformance: {package} cannot be installed")
    return path


def run(command):
    """Returns the exit status and the output."""
    try:
        done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=TIMEOUT, text=True, errors="replace")
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired as expired:
        return 1, f"{(expired.stdout or b'').decode(errors='replace')}\nstill ran after {TIMEOUT} seconds"


class Results:
    def __init__(self):
        self.rows, self.passed, self.failed, self.notes = {}, 0, 0, []

    def add(self, row, column, passed, failed, skipped=0, note=""):
        self.rows.setdefault(row, {})[column] = (passed, failed, skipped)
        self.passed += passed
        self.failed += failed
        if failed:
            self.notes.append(f"== {row}, {column}\n{note.strip()}")

    def print(self, title, columns, order=None):
        rows = [row for row in order or self.rows if row in self.rows]
        width = max(map(len, [title, *rows])) + 2
        print(f"\n{title:{width}}" + "".join(f"{column:>16}" for column in columns))
        for row in rows:
            print(f"{row:{width}}" + "".join(f"{self.cell(self.rows[row].get(column)):>16}" for column in columns))
        for note in self.notes:
            print(f"\n{note}")

    @staticmethod
    def cell(counts):
        if not counts or sum(counts) == 0:
            return "-"
        names = ("ok", "FAILED", "skipped")
        if sum(counts) == 1:
            return names[counts.index(1)]
        return ", ".join(f"{count} {name}" for count, name in zip(counts, names) if count)


def h2spec(program, server, engine, results):
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        _, output = run([program, "-h", server.host, "-p", server.port, "--strict", "-o", "5", "-j", report.name])
        try:
            suites = xml.etree.ElementTree.parse(report.name).getroot().iter("testsuite")
        except xml.etree.ElementTree.ParseError:
            return results.add("h2spec", engine, 0, 1, 0, output)
    for suite in suites:
        cases = list(suite.iter("testcase"))
        failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
        skipped = [case for case in cases if case.find("skipped") is not None]
        note = "\n".join(case.get("classname") + " " + "".join(case.itertext()) for case in failed)
        results.add(f"{suite.get('package').split('/')[0]} {suite.get('name')}", engine,
                    len(cases) - len(failed) - len(skipped), len(failed), len(skipped), note)


def interop(name, client, server, engine, results):
    for case in CASES:
        status, output = run([client, f"--server_host={server.host}", f"--server_port={server.port}",
                              f"--test_case={case}", "--soak_iterations=100", "--soak_overall_timeout_seconds=100",
                              "--soak_per_iteration_max_acceptable_latency_ms=5000"])
        if not re.search("unsupported test case", output, re.IGNORECASE):
            results.add(case, f"{name} {engine}", int(status == 0), int(status != 0), 0, output)


def main(others):
    if not shutil.which("go"):
        print("conformance: nothing was run: there is no Go here to install h2spec and grpc-go's interop client with")
        return 1
    frames, cases = Results(), Results()
    h2spec_program = install(H2SPEC)
    clients = {"grpc-go": install(GRPC_GO), **dict(other.split("=", 1) for other in others)}
    for engine in ENGINES:
        with Server(engine) as server:
            if engine == "http":  # the other one's HTTP/2 is not ours
                h2spec(h2spec_program, server, engine, frames)
            for name, client in clients.items():
                interop(name, client, server, engine, cases)
    if frames.rows:
        frames.print("h2spec --strict", ["http"])
    cases.print("gRPC interop cases", [f"{name} {engine}" for name in clients for engine in ENGINES], CASES)
    passed, failed = frames.passed + cases.passed, frames.failed + cases.failed
    print(f"\n{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


sys.exit(main(sys.argv[1:]))
