"""`moonwire call` at a terminal."""

import json
import os
import pathlib
import subprocess

from harness import MOONWIRE, TIMEOUT, ServiceTest

PROJECT = pathlib.Path(__file__).parent / "project"
HOSTILE = "a\x1b]0;title\x07b\rc\x9b31m\x7f \t ünï ☽\nd"


def read_all(terminal):
    """What was written to a terminal that nobody has open any more: its end is an error."""
    shown = b""
    try:
        while part := os.read(terminal, 4096):
            shown += part
    except OSError:
        pass
    os.close(terminal)
    return shown


class Terminal(ServiceTest):
    folder = PROJECT

    def call(self, stderr):
        """Has a call fail with the hostile message, and a detail."""
        request = json.dumps({"code": 10, "message": HOSTILE, "withDetail": True})
        done = subprocess.run([MOONWIRE, "call", self.server.address, "probe.Probe/Fail", request, "-v", "--proto",
                               str(PROJECT / "proto")], stderr=stderr, stdout=subprocess.DEVNULL, timeout=TIMEOUT)
        self.assertEqual(done.returncode, 10)

    def test_a_server_does_not_control_it(self):
        terminal, ours = os.openpty()
        self.call(ours)
        os.close(ours)
        shown = read_all(terminal).decode().replace("\r\n", "\n")
        self.assertIn("ABORTED: a\\x1b]0;title\\x07b\\x0dc\\xc2\\x9b31m\\x7f \t ünï ☽\nd\n", shown)
        self.assertIn('"reason":"TEST"', shown)

    def test_a_file_gets_the_words_as_they_are(self):
        read, write = os.pipe()
        self.call(write)
        os.close(write)
        with open(read, "rb") as shown:
            self.assertIn(f"ABORTED: {HOSTILE}\n".encode(), shown.read())
