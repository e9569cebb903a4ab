"""Calls over TLS, with and without client certificates, and the handshake and end of TLS connections."""

import os
import pathlib
import ssl
import subprocess
import tempfile
import unittest

import grpc

import http2
from connection import Connection, connect
from harness import ROOT, TIMEOUT, Requests, Server, stubs

ECHO = ROOT / "test" / "projects" / "echo"
pb, services = stubs("echo", ECHO)
NO_PROTOCOL = "(?i)alert.no.application.protocol"
OURS = os.environ.get("MOONWIRE_TEST_ENGINE") == "http"


def make_certificate(folder, name, subject, *options):
    """Writes NAME.pem, a self-signed certificate, and NAME.key."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem", "-subj", f"/CN={subject}", *options],
        check=True, stderr=subprocess.DEVNULL)


def make_server_certificate(folder):
    make_certificate(folder, "server", "localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")


class TlsTest(unittest.TestCase):
    def serve(self, settings="", tls=""):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        for name in ("proto", "lua"):
            os.symlink(ECHO / name, f"{self.folder.name}/{name}")
        make_server_certificate(self.folder.name)
        make_certificate(self.folder.name, "client", "client")
        pathlib.Path(self.folder.name, "moonwire.lua").write_text(
            f"return {{ tls = {{ cert = 'server.pem', key = 'server.key', {tls} }}, {settings} }}")
        self.server = Server(self.folder.name, arguments=("--workers", "2"))
        self.addCleanup(self.end)
        return self.server.address

    def end(self):
        self.assertEqual(self.server.stop(), 0, self.server.logged())

    def read(self, name):
        return pathlib.Path(self.folder.name, name).read_bytes()

    def stub(self, *of_client):
        """A stub with a connection of its own. `of_client` is the client's key and certificate."""
        credentials = grpc.ssl_channel_credentials(self.read("server.pem"), *of_client)
        channel = grpc.secure_channel(self.server.address, credentials, [("grpc.use_local_subchannel_pool", 1)])
        self.addCleanup(channel.close)
        return services.EchoStub(channel)

    def context(self, *protocols):
        """An SSLContext for a connection by hand."""
        context = ssl.create_default_context(cafile=f"{self.folder.name}/server.pem")
        if protocols:
            context.set_alpn_protocols(protocols)
        return context


class Calls(TlsTest):
    def check_all_types(self, stub):
        large = "x" * 300_000
        self.assertEqual(stub.Unary(pb.Message(what="echo", text=large), timeout=TIMEOUT).text, large)
        counted = stub.Expand(pb.Message(what="count", count=200, text="y" * 1000), timeout=TIMEOUT)
        self.assertEqual([m.count for m in counted], list(range(1, 201)))
        numbers = (pb.Message(what="sum", count=n, text="z" * 1000) for n in range(200))
        self.assertEqual(stub.Collect(numbers, timeout=TIMEOUT).count, sum(range(200)))
        requests = Requests()
        chat = stub.Chat(iter(requests), timeout=TIMEOUT)
        for text in ("one", "two", large):
            requests.send(pb.Message(what="echo", text=text))
            self.assertEqual(next(chat).text, text)
        requests.end()
        self.assertEqual(list(chat), [])

    def test_all_four_types(self):
        self.serve()
        self.check_all_types(self.stub())

    def test_all_four_types_for_clients_with_a_certificate(self):
        self.serve(tls="client_ca = 'client.pem'")
        self.check_all_types(self.stub(self.read("client.key"), self.read("client.pem")))

    def assertUnavailable(self, stub):
        with self.assertRaises(grpc.RpcError) as caught:
            stub.Unary(pb.Message(what="echo"), timeout=TIMEOUT)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)

    def test_a_client_without_a_certificate_or_with_another_is_refused(self):
        self.serve(tls="client_ca = 'client.pem'")
        self.assertUnavailable(self.stub())
        self.assertUnavailable(self.stub(self.read("server.key"), self.read("server.pem")))
        self.check_all_types(self.stub(self.read("client.key"), self.read("client.pem")))

    def test_a_client_of_plain_text_is_refused(self):
        address = self.serve()
        with grpc.insecure_channel(address) as channel:
            self.assertUnavailable(services.EchoStub(channel))
        self.check_all_types(self.stub())

    def test_a_renewed_certificate_is_for_new_connections(self):
        self.serve()
        before = self.stub()
        self.check_all_types(before)
        make_server_certificate(self.folder.name)
        self.check_all_types(self.stub())  # the new stub trusts only the new certificate
        self.check_all_types(before)

    def connects(self, context=None):
        with connect(self.server.address, context or self.context("h2")) as sock:
            return sock.getpeercert()["serialNumber"]

    def assertRefused(self, number, file, cause):
        """Asserts that connections use the old certificate and that the change is logged once."""
        for _ in range(6):  # on both workers
            self.assertEqual(self.connects(), self.serial)
        log = self.server.wait_logged("the renewed TLS files are not used, the old certificate stays", file, cause)
        lines = [line for line in log.splitlines() if "TLS files" in line]
        self.assertEqual(len(lines), number, lines)
        self.assertIn("the renewed TLS files are not used, the old certificate stays", lines[-1])
        self.assertIn(file, lines[-1])
        self.assertIn(cause, lines[-1])

    def test_a_renewed_certificate_that_cannot_be_used_is_logged_and_the_old_one_stays(self):
        self.serve()
        pem, key = (pathlib.Path(self.folder.name, name) for name in ("server.pem", "server.key"))
        old, old_key = pem.read_bytes(), key.read_bytes()
        context = self.context("h2")  # trusts the old certificate
        self.context = lambda *_: context
        self.serial = self.connects()
        pem.unlink()
        self.assertRefused(1, "server.pem", "No such file or directory")
        pem.write_bytes(old[:len(old) // 2])
        self.assertRefused(2, "server.pem", "bad end line")
        make_certificate(self.folder.name, "other", "localhost")
        pem.write_bytes(self.read("other.pem"))
        self.assertRefused(3, "server.key", "is not the key of the certificate")
        pem.write_bytes(old)
        key.write_bytes(b"")
        self.assertRefused(4, "server.key", "not a PEM file")
        key.write_bytes(old_key)
        self.assertEqual(self.connects(), self.serial)
        make_server_certificate(self.folder.name)
        del self.context
        self.assertNotEqual(self.connects(), self.serial)

    def test_pings_find_out_whether_a_client_is_there(self):
        address = self.serve("keepalive = { time = 0.05, timeout = 100 }")
        with Connection(address, self.context("h2")) as client:
            client.watch()
            self.assertTrue(client.until(lambda: client.pings >= 2))
            self.assertTrue(client.settle())
            self.assertEqual(client.goaways, 0)

    def test_who_does_not_answer_pings_is_given_up(self):
        address = self.serve("keepalive = { time = 0.05, timeout = 0.05 }")
        with Connection(address, self.context("h2")) as client:
            client.watch()
            client.answers = False
            self.assertTrue(client.ends())
            self.assertGreaterEqual(client.pings, 1)


class Handshakes(TlsTest):
    def test_http2_is_agreed_upon(self):
        address = self.serve()
        for protocols in (["h2"], ["http/1.1", "h2"]):
            with connect(address, self.context(*protocols)) as sock:
                self.assertEqual(sock.selected_alpn_protocol(), "h2")

    def test_another_protocol_is_refused(self):
        """The refusal comes within the handshake or at once after it."""
        address = self.serve()
        try:
            with connect(address, self.context("http/1.1")) as sock:
                self.assertIsNone(sock.selected_alpn_protocol())
                self.assertEqual(list(http2.read_frames(sock)), [])
        except ssl.SSLError as error:
            self.assertRegex(str(error), NO_PROTOCOL)

    def test_no_protocol_at_all_is_refused(self):
        """The refusal comes after the handshake, by a clean close."""
        address = self.serve()
        with connect(address, self.context()) as sock:
            self.assertEqual(sock.recv(1), b"")
        if OURS:
            self.server.wait_logged("reason=tls")
            self.server.wait_logged('detail="the client offers no protocol by ALPN, must offer h2"')

    def handshake(self, version, ciphers):
        context = self.context("h2")
        context.minimum_version = context.maximum_version = version
        context.set_ciphers(ciphers)
        with connect(self.server.address, context) as sock:
            return sock.cipher()[0]

    def test_suites_that_http2_prohibits_are_refused(self):
        self.serve()
        for suite in ("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"):
            self.assertEqual(self.handshake(ssl.TLSVersion.TLSv1_2, suite), suite)
        for suite in ("ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA", "ECDHE-ECDSA-AES128-SHA"):
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                self.handshake(ssl.TLSVersion.TLSv1_2, suite)
        if OURS:
            self.server.wait_logged('detail="no shared cipher"')

    def test_versions_before_1_2_are_refused(self):
        self.serve()
        with self.assertRaisesRegex(ssl.SSLError, "(?i)protocol.version|unsupported.protocol" if OURS else ""):
            self.handshake(ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0")

    @unittest.skipUnless(OURS, "C core tells nobody")
    def test_another_protocol_is_refused_by_name(self):
        address = self.serve()
        with self.assertRaisesRegex(ssl.SSLError, NO_PROTOCOL):
            connect(address, self.context("http/1.1"))
        self.server.wait_logged("the TLS handshake failed")
        self.server.wait_logged("reason=tls")
        self.server.wait_logged('detail="no application protocol"')

    def test_who_only_connects_is_ended_in_time(self):
        with connect(self.serve("limits = { handshake_seconds = 0.05 }")) as sock:
            self.assertEqual(sock.recv(1), b"")

    def test_who_stops_in_the_midst_of_a_handshake_is_ended_in_time(self):
        with connect(self.serve("limits = { handshake_seconds = 0.05 }")) as sock:
            sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")  # the first bytes of a ClientHello
            self.assertEqual(sock.recv(1), b"")

    @unittest.skipUnless(OURS, "C core closes the socket without a word")
    def test_the_end_is_said(self):
        """The server sends close_notify, so that the client can rule out a truncation attack."""
        def read_to_the_end(client):
            while client.sock.recv(65536):  # raises at an end without close_notify
                pass
        address = self.serve("grace = 0, keepalive = { max_connection_idle = 0.2 }")
        with Connection(address, self.context("h2")) as client:
            read_to_the_end(client)
        with Connection(address, self.context("h2")) as client:
            client.send(http2.DATA, 0, 1, b"x")  # DATA of an idle stream
            read_to_the_end(client)
        with Connection(address, self.context("h2")) as client:
            client.watch()
            client.answers = False
            self.server.process.terminate()
            read_to_the_end(client)


if __name__ == "__main__":
    unittest.main()
