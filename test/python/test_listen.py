"""Sockets that `moonwire serve` inherits from systemd: LISTEN_FDS and LISTEN_PID."""

import fcntl
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import unittest

import grpc

from harness import ENGINE, MOONWIRE, ROOT, TIMEOUT, stubs

hello, hello_services = stubs("helloworld")


class Inherited(unittest.TestCase):
    def start(self, sockets, *arguments):
        """Starts a server that has the sockets as descriptors 3, 4 and so on. bash sets LISTEN_PID to its own process
        id, then executes the server."""
        copies = [fcntl.fcntl(s.fileno(), fcntl.F_DUPFD_CLOEXEC, 20) for s in sockets]
        moves = " ".join(f"{3 + i}<&{fd}" for i, fd in enumerate(copies))
        process = subprocess.Popen(
            ["bash", "-c", f'LISTEN_PID=$$ LISTEN_FDS={len(sockets)} exec "$@" {moves}', "bash", MOONWIRE, "serve",
             str(ROOT), "--data", ":memory:", *ENGINE, *arguments],
            pass_fds=copies, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for fd in copies:
            os.close(fd)
        self.addCleanup(process.communicate, timeout=TIMEOUT)
        self.addCleanup(process.kill)
        return process

    def greet(self, address):
        with grpc.insecure_channel(address) as channel:
            reply = hello_services.GreeterStub(channel).SayHello(hello.HelloRequest(name="x"), timeout=TIMEOUT)
            self.assertEqual(reply.message, "Hello x!")

    def test_they_are_listened_on_in_place_of_the_default(self):
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/socket"
            tcp, unix = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX)
            unix.bind(path)
            unix.listen()
            addresses = [f"127.0.0.1:{tcp.getsockname()[1]}", f"unix:{path}"]
            process = self.start([tcp, unix])
            for address in addresses:
                self.assertEqual(process.stdout.readline(), f"moonwire: listening on {address}\n")
            tcp.close()
            unix.close()
            for address in addresses * 5:
                self.greet(address)
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(TIMEOUT), 0)
            self.assertEqual(process.stdout.read(), "")  # no more lines
            self.assertTrue(pathlib.Path(path).exists())  # the server does not remove a socket that it inherited

    def test_what_is_asked_for_is_listened_on_too(self):
        with socket.create_server(("::1", 0), family=socket.AF_INET6) as tcp:
            process = self.start([tcp], "--listen", "127.0.0.1:0")
            self.assertEqual(process.stdout.readline(), f"moonwire: listening on [::1]:{tcp.getsockname()[1]}\n")
            line = process.stdout.readline()
            self.assertRegex(line, r"^moonwire: listening on 127\.0\.0\.1:\d+$")
            self.greet(line.split()[-1])
            self.greet(f"[::1]:{tcp.getsockname()[1]}")

    def test_a_socket_that_does_not_listen_is_refused(self):
        with socket.socket() as tcp:
            process = self.start([tcp])
            _, stderr = process.communicate(timeout=TIMEOUT)
            self.assertEqual(process.returncode, 1)
            self.assertIn("LISTEN_FDS: descriptor 3 is not a stream socket that listens", stderr)
