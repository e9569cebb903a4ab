"""The output of `moonwire call`."""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import grpc

from harness import MOONWIRE, TIMEOUT, ServiceTest

PROJECT = pathlib.Path(__file__).parent / "project"
HOSTILE = "a\x1b]0;title\x07b\rc\x9b31m\x7f \t ünï ☽\nd"

SHOWN = "a\\x1b]0;title\\x07b\\x0dc\\u009b31m\\x7f \t ünï ☽\nd"


def read_all(terminal):
    """Reads the output left in a terminal after its last writer has closed it: the end is reported as an error."""
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
        """Makes a call that fails with the hostile message and a detail."""
        request = json.dumps({"code": 10, "message": HOSTILE, "withDetail": True})
        done = subprocess.run([MOONWIRE, "call", self.server.address, "probe.Probe/Fail", request, "-v", "--proto",
                               str(PROJECT / "proto")], stderr=stderr, stdout=subprocess.DEVNULL, timeout=TIMEOUT)
        self.assertEqual(done.returncode, 10)

    def test_a_server_does_not_control_it(self):
        terminal, ours = os.openpty()
        self.call(ours)
        os.close(ours)
        shown = read_all(terminal).decode().replace("\r\n", "\n")
        self.assertIn(f"ABORTED: {SHOWN}\n", shown)
        self.assertIn('"reason":"TEST"', shown)

    def test_a_file_gets_the_same(self):
        read, write = os.pipe()
        self.call(write)
        os.close(write)
        with open(read, "rb") as shown:
            self.assertIn(f"ABORTED: {SHOWN}\n".encode(), shown.read())


def field(number, data):
    return bytes([number << 3 | 2, len(data)]) + data


class HostileServer(unittest.TestCase):
    """No control character that a server sends reaches the output."""

    PROTO = """
        syntax = "proto3";
        package evil;
        import "google/protobuf/any.proto";
        message Text { string text = 1; map<string, string> map = 2; repeated google.protobuf.Any any = 3; }
        service Evil { rpc Reply(Text) returns (Text); rpc Fail(Text) returns (Text); rpc Abort(Text) returns (Text); }
    """
    EVIL = "a\x1b[31m\x7f\x9b31m\u202e\u2066\u061c\u2028\u200f☽"

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.proto = pathlib.Path(folder.name)
        (cls.proto / "evil.proto").write_text(cls.PROTO)
        server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("evil.Evil", {
            "Reply": grpc.unary_unary_rpc_method_handler(lambda request, context: cls.reply),
            "Fail": grpc.unary_unary_rpc_method_handler(cls.fail),
            "Abort": grpc.unary_unary_rpc_method_handler(cls.abort)})])
        cls.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        cls.addClassCleanup(lambda: server.stop(None).wait())

    @classmethod
    def fail(cls, request, context):
        evil = cls.EVIL.encode()
        unknown = field(3, field(1, b'x/"' + evil) + field(2, b"value"))
        debug = field(3, field(1, b"x/google.rpc.DebugInfo") + field(2, field(1, evil) + field(2, evil)))
        context.set_trailing_metadata([("grpc-status-details-bin", bytes([8, 10]) + unknown + debug)])
        context.abort(grpc.StatusCode.ABORTED, cls.EVIL)

    @classmethod
    def abort(cls, request, context):
        context.set_trailing_metadata([("x-empty", "")])
        context.abort(grpc.StatusCode.ABORTED, "")

    def call(self, method):
        done = subprocess.run(
            [MOONWIRE, "call", self.address, "evil.Evil/" + method, "{}", "-v", "--proto", self.proto],
            capture_output=True, timeout=TIMEOUT)
        for output in (done.stdout.decode(), done.stderr.decode()):
            for evil in self.EVIL[1:-1].replace("[31m", "").replace("31m", ""):
                self.assertNotIn(evil, output)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def test_in_a_reply(self):
        evil = self.EVIL.encode()
        type(self).reply = field(1, evil) + field(2, field(1, evil) + field(2, evil))
        code, out, _ = self.call("Reply")
        self.assertEqual(code, 0)
        self.assertEqual(json.loads(out), {"text": self.EVIL, "map": {self.EVIL: self.EVIL}})
        self.assertIn(r"a\u001b[31m\u007f\u009b31m\u202e\u2066\u061c\u2028\u200f☽", out)

    def test_in_the_words_of_an_error(self):
        type(self).reply = field(3, field(1, b"x/" + self.EVIL.encode()))
        code, _, err = self.call("Reply")
        self.assertEqual(code, 1)
        self.assertIn("moonwire call: reply 1: ", err)
        self.assertIn(r"a\x1b[31m\x7f\u009b31m\u202e\u2066", err)

    def test_in_a_status(self):
        code, _, err = self.call("Fail")
        self.assertEqual(code, 10)
        self.assertIn(r"ABORTED: a\x1b[31m\x7f\u009b31m\u202e\u2066\u061c\u2028\u200f☽" + "\n", err)
        detail = err[err.index('{"@type"'):].splitlines()[0]
        self.assertEqual(json.loads(detail), {"@type": 'x/"' + self.EVIL, "value": "dmFsdWU="})
        self.assertEqual(err.count("\n  a\\x1b[31m"), 2)

    def test_a_status_without_a_message(self):
        code, _, err = self.call("Abort")
        self.assertEqual((code, err.splitlines()[-1]), (10, "ABORTED: "), err)
        self.assertNotIn("runtime error", err)
