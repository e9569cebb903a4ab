"""The shutdown of a server whose handlers, threads or log reader are busy, stuck or gone."""

import contextlib
import ctypes
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import grpc

from harness import ENGINE, MOONWIRE, TIMEOUT, stubs

PROTO = """
syntax = "proto3";
package ends;
message Text { string text = 1; }
service Ends { rpc Run(Text) returns (Text); }
"""

SCRIPT = """
local mw = require "moonwire"
local Ends = mw.service "ends.Ends"
local hows = {}

local function closing(f) return setmetatable({}, { __close = f }) end

local function work(seconds)
  local till = os.clock() + seconds
  while os.clock() < till do end
end

function hows.close_that_sleeps()
  local _ <close> = closing(function() while true do pcall(mw.sleep, 1) end end)
  mw.sleep(600)
end

function hows.close_that_works_between_waits()
  local _ <close> = closing(function() while true do work(0.02) pcall(mw.sleep, 0) end end)
  mw.sleep(600)
end

function hows.close_that_calls(call)
  local _ <close> = closing(function()
    mw.client(call.vars.address):service "ends.Ends":Run { text = "sleep" }
  end)
  mw.sleep(600)
end

function hows.close_that_spins()
  local _ <close> = closing(function() while true do end end)
  mw.sleep(600)
end

function hows.close_in_close()
  local function again()
    local _ <close> = closing(again)
    mw.sleep(600)
  end
  local _ <close> = closing(again)
  mw.sleep(600)
end

function hows.job()
  mw.spawn(function()
    local _ <close> = closing(function() while true do pcall(mw.sleep, 1) end end)
    mw.sleep(600)
  end)
  mw.sleep(600)
end

function hows.sleep() mw.sleep(600) end
function hows.spin() while true do end end
function hows.work_between_waits() while true do work(0.02) pcall(mw.sleep, 0) end end
function hows.logs() for i = 1, 100 do mw.log.warn("line", { text = ("x"):rep(1000) }) end return { text = "logged" } end

function hows.dropped()
  return { text = ("%d"):format(mw.metrics.total "moonwire_log_lines_dropped_total") }
end

function Ends.Run(req, call)
  call.vars.address = req.text:match " (.*)"
  print("runs " .. req.text)
  return hows[req.text:match "%S+"](call)
end
"""

GRACE = 0.3
LAST = 2  # seconds after the grace period
SLACK = TIMEOUT / 30  # factor of time limits, for a busy machine

folder = tempfile.TemporaryDirectory()
pathlib.Path(folder.name, "proto").mkdir()
pathlib.Path(folder.name, "proto/ends.proto").write_text(PROTO)
pb, rpc = stubs("ends", pathlib.Path(folder.name))


class Project(tempfile.TemporaryDirectory):
    """A project folder, with a folder for the temporary folders of its server."""

    def __init__(self, settings=f"grace = {GRACE}"):
        super().__init__()
        self.path = pathlib.Path(self.name)
        for name in ("proto", "lua", "tmp"):
            (self.path / name).mkdir()
        self.write("proto/ends.proto", PROTO)
        self.write("lua/ends.lua", SCRIPT)
        self.write("moonwire.lua", f"return {{ {settings} }}")

    def write(self, name, text):
        (self.path / name).write_text(text)


class EndsTest(unittest.TestCase):
    def start(self, settings=f"grace = {GRACE}", stderr=None, workers=1, env=None, wait=True):
        self.project = Project(settings)
        self.addCleanup(self.project.cleanup)
        self.log = open(self.project.path / "log", "w+")
        self.addCleanup(self.log.close)
        self.process = subprocess.Popen(
            [MOONWIRE, "serve", self.project.name, "--listen", "127.0.0.1:0", "--data", ":memory:",
             "--workers", str(workers), *ENGINE],
            stdout=subprocess.PIPE, stderr=stderr or self.log, text=True,
            env={**os.environ, "TMPDIR": str(self.project.path / "tmp"), **(env or {})})
        self.addCleanup(self.kill)
        if not wait:
            return
        self.address = self.process.stdout.readline().split()[-1]
        channel = grpc.insecure_channel(self.address)
        self.addCleanup(channel.close)
        self.stub = rpc.EndsStub(channel)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        if self.process.stderr:
            self.process.stderr.close()

    def data_folder(self):
        """The temporary data folder, which has the control socket."""
        return next((self.project.path / "tmp").glob("moonwire-tmp-*"))

    def moonwire(self, command, *arguments):
        return subprocess.run([MOONWIRE, command, *arguments, "--data", str(self.data_folder())], capture_output=True,
                              text=True, timeout=TIMEOUT, check=False)

    def logged(self):
        return (self.project.path / "log").read_text(errors="replace")

    def wait_until(self, condition, words):
        ends = time.monotonic() + TIMEOUT
        while not condition():
            self.assertLess(time.monotonic(), ends, f"{words}\n{self.logged()}")
            time.sleep(0.01)

    def run_calls(self, text, n=1):
        """Starts `n` calls. Returns them after one of them has begun to run."""
        calls = [self.stub.Run.future(pb.Text(text=text)) for _ in range(n)]
        self.wait_until(lambda: f"runs {text}" in self.logged(), "no call runs")
        return calls

    def stop(self):
        """Sends SIGTERM. Returns after it was delivered, so that a following signal is not merged with it."""
        self.stopped = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.wait_until(lambda: not self.pending(), "the signal is not taken")

    def pending(self):
        try:
            status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        except FileNotFoundError:
            return False
        return ("State:\tZ" not in status
                and int(re.search(r"^ShdPnd:\s*(\w+)", status, re.M)[1], 16) >> signal.SIGTERM - 1 & 1)

    def assert_ends(self, within, status=0):
        try:
            self.assertEqual(self.process.wait(within + SLACK), status, self.logged())
        except subprocess.TimeoutExpired:
            self.fail(f"no end after {time.monotonic() - self.stopped:.1f} s\n{self.logged()[-2000:]}")


class Handlers(EndsTest):
    def assert_stops(self, how, n=3):
        self.start()
        self.run_calls(how, n)
        self.stop()
        self.assert_ends(GRACE + LAST)

    def test_handlers_that_do_not_end(self):
        for how in ("close_that_sleeps", "close_that_works_between_waits", "close_that_spins", "close_in_close", "job",
                    "work_between_waits"):
            with self.subTest(how):
                self.assert_stops(how)

    def test_a_long_grace_period_makes_close_no_longer(self):
        self.start("grace = 4")
        self.run_calls("close_that_sleeps")
        self.stop()
        self.assert_ends(4 + LAST)

    def test_an_outbound_call_without_a_deadline(self):
        self.start()
        self.run_calls(f"close_that_calls {self.address}", 3)
        self.stop()
        self.assert_ends(GRACE + LAST)

    def test_a_hundred_handlers_that_spin(self):
        self.start()
        calls = self.run_calls("spin", 100)
        self.stop()
        self.assert_ends(GRACE + LAST)
        codes = {call.exception(TIMEOUT).code() for call in calls}
        self.assertLessEqual(codes, {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED,
                                     grpc.StatusCode.CANCELLED})  # engine core, for calls that arrive while it drains

    def test_a_hundred_handlers_whose_close_spins(self):
        self.assert_stops("close_that_spins", 100)

    def test_a_second_signal_ends_the_grace_period(self):
        self.start("grace = 600")
        self.run_calls("close_that_sleeps")
        self.stop()
        self.wait_until(lambda: "draining" in self.logged(), "it does not drain")
        self.stop()
        self.assert_ends(LAST)


class Stderr(EndsTest):
    def setUp(self):
        self.start("grace = 0.1", stderr=subprocess.PIPE)
        for _ in range(30):  # 3 MB
            self.assertEqual(self.stub.Run(pb.Text(text="logs"), timeout=TIMEOUT).text, "logged")

    def test_a_log_that_nobody_reads_drops_lines_and_counts_them(self):
        self.assertGreater(int(self.stub.Run(pb.Text(text="dropped"), timeout=TIMEOUT).text), 0)
        os.set_blocking(self.process.stderr.fileno(), True)
        for line in self.process.stderr:
            if "log lines were dropped" in line:
                break
        self.assertRegex(line, r" warn  msg=\"log lines were dropped: stderr did not take them in time\" lines=\d+$")

    def test_a_log_that_nobody_reads_does_not_delay_the_end(self):
        self.stop()
        self.assert_ends(0.1 + LAST)

    def test_signals_are_taken(self):
        for _ in range(3):
            self.stop()
        self.process.wait(LAST + SLACK)


libc = ctypes.CDLL(None, use_errno=True)
PTRACE_ATTACH, PTRACE_DETACH = 16, 17
WALL = 0x40000000


class Stuck(EndsTest):
    """Stuck threads. Threads stopped by a debugger stand in for threads that wait for a disk."""

    def stop_thread(self, thread):
        if libc.ptrace(PTRACE_ATTACH, thread, None, None) != 0:
            self.skipTest(f"ptrace: {os.strerror(ctypes.get_errno())}")
        os.waitpid(thread, WALL)
        self.addCleanup(libc.ptrace, PTRACE_DETACH, thread, None, None)

    def assert_nothing_temporary(self):
        self.assertEqual(os.listdir(self.project.path / "tmp"), [])

    def test_a_control_thread_that_is_stuck(self):
        self.start()
        self.stop_thread(self.process.pid)
        self.stop()
        self.assert_ends(GRACE + LAST, 1)
        self.assertIn("a call has not ended in time: the server stops without it", self.logged())
        self.assert_nothing_temporary()

    def test_a_third_signal_ends_at_once(self):
        self.start("grace = 600")
        self.stop_thread(self.process.pid)
        for _ in range(3):
            self.stop()
        self.assert_ends(0, 1)

    def test_status_reports_a_worker_that_is_stuck(self):
        self.start()
        self.run_calls("sleep")
        for thread in os.listdir(f"/proc/{self.process.pid}/task"):
            with contextlib.suppress(FileNotFoundError):  # another thread may end meanwhile
                if pathlib.Path(f"/proc/{self.process.pid}/task/{thread}/comm").read_text() == "worker-0\n":
                    self.stop_thread(int(thread))
        done = self.moonwire("status")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("worker 0 has not answered within 1000 ms", done.stdout)
        done = self.moonwire("kill", "1", "--timeout", "0.5")
        self.assertEqual(done.returncode, 1)
        self.assertIn("moonwire kill: the server has not answered within 0.5 s (--timeout): no reload is under way",
                      done.stderr)


class Admin(EndsTest):
    def test_a_server_that_is_stopped(self):
        self.start()
        self.process.send_signal(signal.SIGSTOP)
        for command in ("status", "reload"):
            done = self.moonwire(command, "--timeout", "0.3")
            self.assertEqual(done.returncode, 1)
            self.assertIn("the server has not answered within 0.3 s (--timeout), and does not report its activity: "
                          "its process is stopped, or its control thread waits for a disk", done.stderr)
        self.process.send_signal(signal.SIGCONT)
        self.assertEqual(self.moonwire("status").returncode, 0)

    def test_clients_that_send_nothing_are_disconnected(self):
        self.start()
        clients = []
        for _ in range(16):
            client = socket.socket(socket.AF_UNIX)
            self.addCleanup(client.close)
            client.connect(str(self.data_folder() / "moonwire.sock"))
            client.settimeout(TIMEOUT)
            clients.append(client)
        for client in clients:
            self.assertEqual(client.recv(1), b"")
        self.assertEqual(self.moonwire("status").returncode, 0)

    def test_timeouts_are_numbers(self):
        for text in ("x", "", "0", "-1", "1e9", "nan"):
            for command in (("status",), ("check",), ("kill", "1")):
                done = subprocess.run([MOONWIRE, *command, "--timeout", text], capture_output=True, text=True,
                                      timeout=TIMEOUT, check=False)
                self.assertEqual(done.returncode, 2)
                self.assertIn(f"--timeout: expected seconds from 0.1 to 86400, got {text}\n", done.stderr)


PROTOC = """#!/bin/sh
mode=$(cat {folder}/mode 2>/dev/null)
echo $$ >> {folder}/pids
case $mode in
  sleeps) sleep 1000; exit 1 ;;
  writes) cat /dev/zero ;;
  complains) yes ;;
esac
exec {protoc} "$@"
"""


class Protoc(EndsTest):
    """A protoc in PATH that does not end."""

    def start_with(self, mode="", settings="grace = 0.1", wait=True):
        self.bin = pathlib.Path(tempfile.mkdtemp(dir=folder.name))
        self.set_mode(mode)
        (self.bin / "protoc").write_text(PROTOC.format(folder=self.bin, protoc=shutil.which("protoc")))
        (self.bin / "protoc").chmod(0o755)
        self.start(settings, env={"PATH": f"{self.bin}:{os.environ['PATH']}"}, wait=wait)

    def set_mode(self, mode):
        (self.bin / "mode").write_text(mode)

    def runs(self):
        """Living processes of the process groups in which protoc has run."""
        groups = {int(line) for line in (self.bin / "pids").read_text().split()}
        living = set()
        for name in os.listdir("/proc"):
            try:
                if name.isdigit() and os.getpgid(int(name)) in groups and "State:\tZ" not in pathlib.Path(
                        f"/proc/{name}/status").read_text():
                    living.add(int(name))
            except OSError:
                pass
        return living

    def save(self, mode, n=1):
        self.set_mode(mode)
        self.project.write("proto/ends.proto", PROTO + f"message Another{n} {{}}\n")

    def save_and_wait(self, mode):
        self.save(mode)
        self.wait_until(self.runs, "protoc does not run")

    def assert_gone(self):
        self.wait_until(lambda: not self.runs(), "protoc runs on")

    def test_calls_commands_and_the_end(self):
        self.start_with()
        self.save_and_wait("sleeps")
        self.assertGreater(len(self.stub.Run(pb.Text(text="logs"), timeout=TIMEOUT).text), 0)
        self.wait_until(lambda: "it runs protoc" in self.moonwire("status").stdout, "status does not report it")
        done = self.moonwire("reload", "--timeout", "0.5")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"moonwire reload: the server has not answered within 0\.5 s \(--timeout\): "
                                      r"a reload is under way for \d+\.\ds: it runs protoc")
        call = self.run_calls("sleep")[0]
        done = self.moonwire("kill", "2")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(call.exception(TIMEOUT).code(), grpc.StatusCode.CANCELLED)
        self.stop()
        self.assert_ends(0.1 + LAST)
        self.assert_gone()

    def test_a_newer_save_takes_its_place(self):
        self.start_with()
        self.save_and_wait("sleeps")
        self.save("", 2)
        self.wait_until(lambda: "generation 2 is live" in self.logged(), "the second save is not live")
        self.assert_gone()

    def test_it_may_take_some_time(self):
        self.start_with("", "reload = { protoc_seconds = 1 }")
        self.save("sleeps")
        self.wait_until(lambda: "/proto: protoc: did not end within 1 s and was killed" in self.logged(), "no end")
        self.assert_gone()

    def test_it_may_write_some_bytes(self):
        self.start_with()
        self.save("writes")
        self.wait_until(lambda: "/proto: protoc: wrote more than 256 MiB and was killed" in self.logged(), "no end")
        self.assert_gone()

    def test_a_server_that_starts_can_be_stopped(self):
        self.start_with("sleeps", wait=False)
        self.wait_until(lambda: (self.bin / "pids").exists() and self.runs(), "protoc does not run")
        self.stop()
        self.assert_ends(LAST)
        self.assertIn("stopped by a signal during start", self.logged())
        self.assert_gone()

    def test_it_ends_with_a_server_that_is_killed(self):
        self.start_with()
        self.save_and_wait("writes")
        self.process.kill()
        self.assert_gone()
