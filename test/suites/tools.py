"""Helpers of the suites of test/conformance.py: Go packages, a server, programs with a time limit, tables."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
MOONWIRE = os.environ.get("MOONWIRE", str(ROOT / "build" / "moonwire"))
TOOLS = ROOT / "build" / "conformance"
ENGINES = os.environ.get("ENGINES", "http core").split()
TIMEOUT = 120  # seconds, for one case


class Server:
    """`moonwire serve` on a free port."""

    def __init__(self, engine, folder):
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [MOONWIRE, "serve", str(folder), "--engine", engine, "--listen", "127.0.0.1:0", "--data", ":memory:"],
            stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        if "listening on" not in line:
            sys.exit(f"conformance: moonwire serve --engine {engine} did not start:\n{self.logged()}")
        self.address = line.split()[-1]
        self.host, self.port = self.address.rsplit(":", 1)

    def logged(self):
        with open(f"/proc/self/fd/{self.log.fileno()}", errors="replace") as log:
            return log.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)


def setup(command, failed, **options):
    """Runs a step of an installation. Returns its output."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          **options)
    if done.returncode != 0:
        sys.exit(f"{done.stdout}conformance: {failed}")
    return done.stdout


def install(package):
    """Installs a Go package. Returns the path of its program."""
    path = TOOLS / package.split("@")[0].split("/")[-1]
    if not path.exists():
        print(f"conformance: go install {package}", flush=True)
        setup(["go", "install", package], f"{package} cannot be installed", env={**os.environ, "GOBIN": str(TOOLS)})
    return path


def module(name):
    """Downloads a Go module. Returns the folder of its source."""
    output = setup(["go", "mod", "download", "-json", name], f"{name} cannot be downloaded", cwd="/")
    return pathlib.Path(json.loads(output[output.index("{"):])["Dir"])


def run(command, timeout=TIMEOUT, **options):
    """Runs a program. Returns its exit status and output."""
    try:
        done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=timeout, text=True, errors="replace", **options)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired as expired:
        return 1, f"{(expired.stdout or b'').decode(errors='replace')}\nstill ran after {timeout} seconds"


class Results:
    """Counts by row and column: passed, failed, and a third number for other results."""

    def __init__(self, third="skipped"):
        self.names = ("ok", "FAILED", third)
        self.rows, self.passed, self.failed, self.notes = {}, 0, 0, []

    def add(self, row, column, passed, failed, third=0, note=""):
        self.rows.setdefault(row, {})[column] = (passed, failed, third)
        self.passed += passed
        self.failed += failed
        if failed:
            self.notes.append(f"== {row}, {column}\n{note.strip()}")

    def print(self, title, columns, order=None):
        rows = [row for row in order or self.rows if row in self.rows]
        width = max(map(len, [title, *rows])) + 2
        print(f"\n{title:{width}}" + "".join(f"{column:>20}" for column in columns))
        for row in rows:
            print(f"{row:{width}}" + "".join(f"{self.cell(self.rows[row].get(column)):>20}" for column in columns))
        for note in self.notes:
            print(f"\n{note}")

    def cell(self, counts):
        if not counts or sum(counts) == 0:
            return "-"
        if sum(counts) == 1:
            return self.names[counts.index(1)]
        return ", ".join(f"{count} {name}" for count, name in zip(counts, self.names) if count)
