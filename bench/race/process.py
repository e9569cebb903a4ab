"""A server under measurement: a process on the server's core."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import time

from race import BUILD, SERVER_CORE


class Failed(Exception):
    """A server that does not start, or gives wrong replies."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A running server. The constructor waits for its line "... listening on HOST:PORT". The end of a `with` block
    stops it."""

    def __init__(self, *command, name="server", cores=SERVER_CORE, environment=None):
        (BUILD / "log").mkdir(parents=True, exist_ok=True)
        log = BUILD / "log" / f"{name}.log"
        started = time.monotonic()
        with open(log, "w") as errors:
            self.process = subprocess.Popen(["taskset", "-c", cores, *map(str, command)], stdout=subprocess.PIPE,
                                            stderr=errors, text=True, env={**os.environ, **(environment or {})})
        line = self.process.stdout.readline()
        self.start_seconds = time.monotonic() - started
        found = re.search(r"listening on (\S+)", line)
        if not found:
            self.stop()
            raise Failed(f"{name} does not start: {line.strip() or log.read_text()[-500:].strip()}")
        self.address = found[1]
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def resident(self):
        """Returns the resident memory in KB."""
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])
