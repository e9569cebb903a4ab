"""usage: walk.py [--seconds N] [--seed N] [--engine NAME]

Walks at random over the whole Lua API: serves test/walk, whose handlers, jobs and scripts call every function and
method reachable from `require "moonwire"` with hostile arguments, and saves its proto and scripts meanwhile. Every
second seed collects garbage at every allocation (MOONWIRE_GCSTRESS). Failures are a crash, a sanitizer's report (leaks
too), a server that makes no step or does not stop; their log and folder are kept. A seed, printed with its result, is
one server: --seed N runs that one alone. In TAP.
"""

import argparse
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
MOONWIRE = os.environ.get("MOONWIRE", str(HERE.parent / "build" / "moonwire"))
LIFE, STALL, END = 15, 60, 60  # seconds: a server's run, the longest time without a step, the time to stop


def library_names():
    """Names of the methods and fields in the library's annotations."""
    text = "".join(path.read_text() for path in sorted((HERE.parent / "library").glob("*.lua")))
    methods = set(re.findall(r"^function [\w.]+[:.](\w+)\(", text, re.M)) | {"Unary", "Download", "Upload", "Talk"}
    fields = set(re.findall(r"^---@field (\w+)", text, re.M)) | set(re.findall(r"\{ (\w+)\??:", text))
    fields |= set(re.findall(r" (\w+) = \d+;", (HERE / "walk/proto/walk.proto").read_text()))
    return sorted(methods), sorted(fields)


def lua_list(names):
    return "{ " + ", ".join(f'"{name}"' for name in names) + " }"


class Walk:
    def __init__(self, seed, engine):
        self.seed, self.random, self.number = seed, random.Random(seed), 0
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="walk-"))
        self.project = self.dir / "a/b/project"
        shutil.copytree(HERE / "walk", self.project, ignore=shutil.ignore_patterns("data"))
        self.proto = (self.project / "proto/walk.proto").read_text()
        methods, fields = library_names()
        (self.project / "lua/names.lua").write_text(
            f"return {{ methods = {lua_list(methods)}, fields = {lua_list(fields)} }}\n")
        self.save()
        socket = f"unix:{self.dir}/socket"
        env = dict(os.environ, WALK_TARGET=socket)
        env.pop("MOONWIRE_GCSTRESS", None)
        env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        self.pause = 2  # longest time between two saves, seconds
        if seed % 2 == 0:
            env["MOONWIRE_GCSTRESS"] = "1"
            self.pause = 8
        command = [MOONWIRE, "serve", ".", "--listen", socket, "--engine", engine]
        if self.random.random() < 0.5:
            command.append("--dev")
        self.log = open(self.dir / "log", "w+b")
        self.process = subprocess.Popen(command, cwd=self.project, env=env, stdout=self.log, stderr=self.log)

    def save(self):
        """Saves the scripts with the next seed and, every other time, the proto with other types."""
        self.number += 1
        if self.random.random() < 0.5:
            kinds = "".join(f"\nmessage Extra{n} {{\n  Item item = 1;\n}}\n" for n in range(self.random.randrange(4)))
            self.write("proto/walk.proto", self.proto + kinds)
        self.write("lua/round.lua", f"return {{ seed = {self.seed * 1000 + self.number}, number = {self.number} }}\n")

    def write(self, path, text):
        target = self.project / path
        temporary = self.dir / "saved"
        temporary.write_text(text)
        os.replace(temporary, target)

    def steps(self):
        """The steps that the walkers have reported so far."""
        text = (self.dir / "log").read_bytes()
        return re.findall(rb"walk: round (\d+), (\d+) steps", text)

    def run(self, seconds):
        """Runs the server for `seconds`. Returns the failure in words, or None."""
        end, next_save = time.monotonic() + seconds, time.monotonic() + 1
        seen, moved = None, time.monotonic()
        while time.monotonic() < end:
            if self.process.poll() is not None:
                return f"the server ended with {self.process.returncode}"
            if time.monotonic() >= next_save:
                self.save()
                next_save = time.monotonic() + self.random.random() * self.pause
            steps = self.steps()
            if steps != seen:
                seen, moved = steps, time.monotonic()
            elif time.monotonic() - moved > STALL:
                return f"no step in {STALL} s"
            time.sleep(0.05)
        return self.stop() or (None if self.steps() else "no step was made")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(END)
        except subprocess.TimeoutExpired:
            return f"the server does not stop within {END} s"
        return f"the server ended with {code}" if code != 0 else None

    def close(self, keep):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()
        if not keep:
            shutil.rmtree(self.dir)

    def report(self):
        text = (self.dir / "log").read_text(errors="replace")
        at = max(text.find("ERROR: "), text.find("runtime error: "), 0) or max(len(text) - 4000, 0)
        return text[max(at - 200, 0) : at + 4000]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--engine", default="http")
    options = parser.parse_args()
    end, number, failed = time.monotonic() + options.seconds, 0, 0
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6) * 2
    while number == 0 or (options.seed is None and time.monotonic() < end):
        number += 1
        walk = Walk(seed, options.engine)
        wrong = walk.run(LIFE)
        if wrong:
            failed += 1
            print("\n".join("# " + line for line in walk.report().splitlines()))
            print(f"not ok {number} - seed {seed}: {wrong}; see {walk.dir}", flush=True)
        else:
            rounds = {int(n): int(steps) for n, steps in walk.steps()}
            print(f"ok {number} - seed {seed}: {sum(rounds.values())} steps in {len(rounds)} generations", flush=True)
        walk.close(keep=bool(wrong))
        seed += 1
    print(f"1..{number}")
    return 1 if failed else 0


sys.exit(main())
