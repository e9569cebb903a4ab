"""Clients of other protocols that connect to a gRPC port: each receives a response that it understands, and the log has
a line."""

import http.client
import os
import socket
import ssl
import unittest

import http2
from connection import CHECK, connect
from harness import TIMEOUT, Server, project

ON_HTTP = os.environ.get("MOONWIRE_TEST_ENGINE", "http") == "http"
WEB = "is gRPC-Web's, must be application/grpc; a proxy such as Envoy translates gRPC-Web"


def read_all(sock):
    data = b""
    while more := sock.recv(65536):
        data += more
    return data


@unittest.skipUnless(ON_HTTP, "the C core closes such connections without an answer")
class Foreign(unittest.TestCase):
    def setUp(self):
        self.server = Server(project(self, {"moonwire.lua": "return {}"}),
                             arguments=("--workers", "1", "--log-level", "debug"))
        self.addCleanup(self.server.stop)
        self.host, port = self.server.address.rsplit(":", 1)
        self.port = int(port)

    def test_http1_is_answered_in_http1(self):
        for method, path in (("GET", "/"), ("POST", "/tasks.TaskService/ListTasks"), ("PUT", "/"), ("OPTIONS", "*")):
            with self.subTest(method):
                client = http.client.HTTPConnection(self.host, self.port, timeout=TIMEOUT)
                client.request(method, path, body=b"\0\0\0\0\0")
                response = client.getresponse()
                self.assertEqual((response.status, response.reason), (505, "HTTP Version Not Supported"))
                self.assertEqual(response.headers["content-type"], "text/plain; charset=utf-8")
                self.assertEqual(response.headers["connection"], "close")
                text = response.read().decode()
                self.assertEqual(len(text), int(response.headers["content-length"]))
                self.assertIn("This port speaks gRPC over HTTP/2", text)
                self.assertIn("moonwire call", text)
                client.close()
        self.server.wait_logged("the client speaks HTTP/1, this port speaks gRPC over HTTP/2", "peer=ipv4:127.0.0.1:",
                                "reason=http1", 'detail="GET / HTTP/1.1"')

    def test_http1_may_come_in_pieces(self):
        for pieces in ((b"P", b"OST / HTTP/1.1\r\n\r\n"), (b"G", b"ET / HTTP/1.1\r\n\r\n"),
                       (b"PRI * HTTP/1.1\r\n\r\n",)):
            with self.subTest(pieces), connect(self.server.address) as sock:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    for piece in pieces:
                        sock.sendall(piece)
                except ConnectionError:
                    pass
                self.assertTrue(read_all(sock).startswith(b"HTTP/1.1 505 "))

    def test_a_connection_has_one_answer(self):
        with connect(self.server.address) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n" * 1000)
            self.assertEqual(read_all(sock).count(b"HTTP/1.1 505"), 1)

    def test_tls_without_a_certificate_is_named(self):
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            connect(self.server.address, ssl.create_default_context())
        self.server.wait_logged("the TLS handshake failed", "reason=tls", "the client speaks TLS, this port has none")

    def test_other_bytes_get_no_answer_in_http1(self):
        for data in (b"\0" * 24, b"INVALID CONNECTION PREFACE\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n"):
            with self.subTest(data), connect(self.server.address) as sock:
                sock.sendall(data)
                self.assertNotIn(b"HTTP/1.1", read_all(sock))
        self.server.wait_logged("reason=protocol")

    def test_http2_goes_on_in_pieces(self):
        with connect(self.server.address) as sock:
            request = http2.request(CHECK, body=http2.message())
            for at in range(0, len(request), 3):
                sock.sendall(request[at:at + 3])
            kinds = []
            for kind, flags, stream, _ in http2.read_frames(sock):
                kinds.append(kind)
                if stream == 1 and flags & http2.END_STREAM:
                    break
            self.assertEqual(kinds[0], http2.SETTINGS)

    def test_grpc_web_over_http2_is_answered_in_text(self):
        for content_type in ("application/grpc-web+proto", "application/grpc-web-text", "application/grpc-web"):
            with self.subTest(content_type):
                answer = http2.exchange(self.server.address, path=CHECK, headers=[("content-type", content_type)],
                                        body=http2.message())
                self.assertEqual(answer.headers[":status"], "415")
                self.assertIn(f'content-type "{content_type}" {WEB}', answer.body.decode())
        self.server.wait_logged("call refused: not a gRPC request", "peer=ipv4:", WEB)

    def test_a_browser_over_http2_is_logged(self):
        http2.exchange(self.server.address, path="/", headers=[(":method", "GET"), ("content-type", None)])
        self.server.wait_logged("call refused: not a gRPC request", "method GET, must be POST")
