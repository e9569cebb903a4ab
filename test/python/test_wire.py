"""Responses, byte by byte, to requests that client libraries do not send."""

import base64
import os
import struct
import unittest
import zlib

import http2
from connection import MAX_FRAME_SIZE, WATCH, Connection
from harness import Server, ServiceTest
from test_interop import INTEROP, pb

ENGINE = os.environ.get("MOONWIRE_TEST_ENGINE")
SERVICE = "/grpc.testing.TestService/"
OK, UNKNOWN, INVALID_ARGUMENT, UNIMPLEMENTED, INTERNAL, UNAVAILABLE = 0, 2, 3, 12, 13, 14
PROTOCOL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR, CANCEL = 1, 5, 6, 8


class WireTest(ServiceTest):
    folder = INTEROP

    def call(self, method="UnaryCall", headers=(), request=None, **how):
        if not {"body", "pieces"} & how.keys():
            how["body"] = http2.message((request or pb.SimpleRequest()).SerializeToString())
        return http2.exchange(self.server.address, SERVICE + method, headers=headers, **how)

    def assertEnds(self, code, answer):
        """Asserts a gRPC response with the code. An error before any message must be trailers-only."""
        self.assertEqual((answer.end, answer.status, answer.grpc_status), ("stream", "200", code), answer.blocks)
        self.assertTrue(answer.headers["content-type"].startswith("application/grpc"))
        if code != OK:
            self.assertTrue(answer.trailers_only)

    def echoed(self, *values):
        """Sends each of `values`, base64, as a header of its own. Returns the value of the trailer."""
        key = "x-grpc-test-echo-trailing-bin"
        answer = self.call(headers=[(key, value) for value in values])
        self.assertEnds(OK, answer)
        value = answer.trailers[key]
        return base64.b64decode(value + "=" * (-len(value) % 4), validate=True)


class Wire(WireTest):
    def test_content_types_of_grpc(self):
        for content_type in ("application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"):
            self.assertEnds(OK, self.call(headers=[("content-type", content_type)]))

    def test_other_methods_are_refused(self):
        for method in ("GET", "PUT"):
            self.assertNotEqual(self.call(headers=[(":method", method)]).grpc_status, OK)

    def test_unknown_paths_are_a_status_and_not_one_of_http(self):
        for path in ("/no.Such/Method", SERVICE + "NoSuch", SERVICE, "/", "/x", SERVICE + "UnaryCall/x"):
            self.assertEnds(UNIMPLEMENTED, http2.exchange(self.server.address, path, body=http2.message()))

    def test_a_status_message_is_percent_encoded(self):
        for message, encoded in (("100%", "100%25"), ("grün\n", "gr%C3%BCn%0A"), ("☺", "%E2%98%BA"),
                                 ("a b~", "a b~")):
            status = pb.EchoStatus(code=2, message=message)
            answer = self.call(request=pb.SimpleRequest(response_status=status))
            self.assertEnds(2, answer)
            self.assertEqual(answer.trailers["grpc-message"].upper(), encoded.upper())

    def test_an_error_behind_a_message_is_in_trailers(self):
        request = pb.StreamingOutputCallRequest(response_parameters=[pb.ResponseParameters(size=1)],
                                                response_status=pb.EchoStatus(code=10))
        answer = self.call("StreamingOutputCall", request=request)
        self.assertEqual((len(answer.blocks), len(answer.messages), answer.grpc_status), (2, 1, 10))
        self.assertNotIn("grpc-status", answer.headers)
        self.assertNotIn(":status", answer.trailers)

    def test_binary_values_come_with_padding_or_without(self):
        self.assertEqual(self.echoed("AAECAw=="), b"\0\1\2\3")
        self.assertEqual(self.echoed("AAECAw"), b"\0\1\2\3")
        self.assertEqual(self.echoed("AAEC"), b"\0\1\2")
        self.assertEqual(self.echoed("+/+/"), b"\xfb\xff\xbf")

    def test_binary_values_go_without_padding(self):
        answer = self.call(headers=[("x-grpc-test-echo-trailing-bin", "AAECAw==")])
        self.assertEqual(answer.trailers["x-grpc-test-echo-trailing-bin"], "AAECAw")

    def test_messages_may_come_in_any_pieces(self):
        whole = http2.message(pb.SimpleRequest(response_size=5).SerializeToString())
        for pieces in ([whole], [whole[i:i + 1] for i in range(len(whole))], [b"", whole[:3], b"", whole[3:], b""]):
            answer = self.call(pieces=pieces)
            self.assertEnds(OK, answer)
            self.assertEqual(len(pb.SimpleResponse.FromString(answer.messages[0][1]).payload.body), 5)

    def test_a_frame_larger_than_was_agreed_ends_the_connection(self):
        with Connection(self.server.address) as client:
            client.settle()
            size = client.settings.get(MAX_FRAME_SIZE, http2.PIECE)
            client.call(SERVICE + "UnaryCall", end=False)
            client.send(http2.DATA, 0, 1, bytes(size + 1))
            self.assertTrue(client.ends())
            self.assertEqual(client.messages, 0)

    def test_the_wrong_number_of_messages_is_refused(self):
        for count in (0, 2, 3):
            self.assertEnds(UNIMPLEMENTED, self.call(body=http2.message() * count))

    def test_a_compressed_message_that_is_none_is_refused(self):
        self.assertEnds(INTERNAL, self.call(headers=[("grpc-encoding", "gzip")], body=http2.message(b"no gzip", 1)))

    def test_a_stream_may_mix_compressed_and_plain_messages(self):
        def ask(size, compressed):
            request = pb.StreamingInputCallRequest(payload=pb.Payload(body=bytes(size)),
                                                   expect_compressed=pb.BoolValue(value=compressed))
            data = request.SerializeToString()
            return http2.message(zlib.compress(data), 1) if compressed else http2.message(data)
        answer = self.call("StreamingInputCall", headers=[("grpc-encoding", "deflate")],
                           body=ask(1000, True) + ask(200, False) + ask(30, True))
        self.assertEnds(OK, answer)
        [(flag, data)] = answer.messages
        reply = pb.StreamingInputCallResponse.FromString(zlib.decompress(data) if flag else data)
        self.assertEqual(reply.aggregated_payload_size, 1230)


@unittest.skipUnless(ENGINE == "core", "the engine of our own is strict")
class Lenient(WireTest):
    """C core's handling of requests that break gRPC's rules, see docs/engines.md."""

    def assertServed(self, answer, size=5):
        self.assertEnds(OK, answer)
        self.assertEqual(len(pb.SimpleResponse.FromString(answer.messages[0][1]).payload.body), size)

    def send(self, *headers, **how):
        return self.call(headers=headers, request=pb.SimpleRequest(response_size=5), **how)

    def test_any_content_type_is_served(self):
        for content_type in ("text/plain", "application/grpc-web", "application/grpc+json", None):
            self.assertServed(self.send(("content-type", content_type)))

    def test_other_methods_and_a_missing_te_are_unknown(self):
        self.assertEnds(UNKNOWN, self.send((":method", "GET")))
        self.assertEnds(UNKNOWN, self.send(("te", None)))

    def test_a_malformed_timeout_is_none(self):
        for timeout in ("", "1", "1x", "-1S", "123456789S"):
            self.assertServed(self.send(("grpc-timeout", timeout)))

    def test_what_is_compressed_in_no_known_way_is_taken_as_it_is(self):
        packed = http2.message(zlib.compress(pb.SimpleRequest(response_size=5).SerializeToString()), 1)
        for encoding in (None, "identity", "br"):
            self.assertEnds(INVALID_ARGUMENT, self.call(headers=[("grpc-encoding", encoding)], body=packed))
        self.assertServed(self.send(("grpc-encoding", "br")))

    def test_a_message_with_an_unknown_flag_is_taken_as_an_empty_one(self):
        request = pb.SimpleRequest(response_size=5).SerializeToString()
        self.assertServed(self.call(body=http2.message(request, 2)), size=0)

    def test_a_message_cut_short_is_left_out(self):
        whole = http2.message(pb.StreamingInputCallRequest(payload=pb.Payload(body=b"12345")).SerializeToString())
        self.assertEnds(UNIMPLEMENTED, self.call(body=whole[:-1]))
        answer = self.call("StreamingInputCall", body=whole + whole[:-1])
        self.assertEnds(OK, answer)
        self.assertEqual(pb.StreamingInputCallResponse.FromString(answer.messages[0][1]).aggregated_payload_size, 5)

    def test_binary_values_must_be_base64_each_in_a_header_of_its_own(self):
        for value in ("%%%", "AAE,AAEC"):
            self.assertEnds(UNAVAILABLE, self.send(("x-grpc-test-echo-trailing-bin", value)))


@unittest.skipUnless(ENGINE == "http", "C core is not as strict")
class Strict(WireTest):
    """Rules that engine http alone enforces."""

    def assertTurnedAway(self, status, words, answer):
        """Asserts an HTTP response: its status, and the error as text."""
        self.assertEqual((answer.end, answer.status, answer.body.decode()), ("stream", status, words))
        self.assertTrue(answer.headers["content-type"].startswith("text/plain"))
        self.assertNotIn("grpc-status", answer.trailers)

    def test_other_content_types_are_415(self):
        for content_type in ("text/plain", "application/json", "application/grpcx"):
            words = f"content-type \"{content_type}\", must be application/grpc or application/grpc+proto"
            self.assertTurnedAway("415", words, self.call(headers=[("content-type", content_type)]))
        self.assertTurnedAway("415", "no content-type, must be application/grpc",
                              self.call(headers=[("content-type", None)]))

    def test_grpc_in_another_encoding_is_415_with_a_status(self):
        answer = self.call(headers=[("content-type", "application/grpc+json")])
        self.assertEqual((answer.status, answer.grpc_status, answer.body), ("415", INVALID_ARGUMENT, b""))
        self.assertIn("application/grpc+json", answer.trailers["grpc-message"])

    def test_other_methods_are_405(self):
        for method in ("GET", "PUT", "DELETE", "BREW"):
            answer = self.call(headers=[(":method", method)])
            self.assertTurnedAway("405", f"method {method}, must be POST", answer)
            self.assertEqual(answer.headers["allow"], "POST")
        answer = self.call(headers=[(":method", "HEAD")])
        self.assertEqual((answer.status, answer.body), ("405", b""))

    def test_a_request_that_is_turned_away_may_go_on(self):
        answer = self.call(headers=[(":method", "PUT")], body=bytes(60_000))
        self.assertTurnedAway("405", "method PUT, must be POST", answer)

    def test_the_rest_of_a_request_that_is_answered_is_not_wanted(self):
        goaway = http2.frame(http2.GOAWAY, 0, 0, bytes(8))  # with no stream left, the connection ends
        much = {"body": bytes(60_000)}  # after a text response only a long body resets the stream
        for headers, how in (([(":path", "/x.Y/Z")], {}), ([(":path", "/x.Y/Z")], much), ([(":method", "PUT")], much),
                             ([("content-type", "text/plain")], much)):
            answer = self.call(headers=headers, end=False, then=goaway, **how)
            self.assertEqual((answer.end, bool(answer.status)), ("reset 0", True))

    def test_a_goodbye_with_the_number_of_an_own_stream_is_no_trouble(self):
        server = Server(self.folder, arguments=["--workers", "1"])
        self.addCleanup(server.kill)
        # as grpc-go sends it
        goodbye = http2.frame(http2.GOAWAY, 0, 0, struct.pack(">II", 1, 0) + b"client transport shutdown")
        for then, lines in ((goodbye, 0), (http2.frame(http2.PING, 0, 1, bytes(8)), 1)):
            http2.exchange(server.address, SERVICE + "EmptyCall", body=http2.message(), then=then)
            log = server.wait_logged("connection ended") if lines else server.logged()
            self.assertEqual(log.count("connection ended"), lines)

    def test_te_may_be_missing(self):
        self.assertEnds(OK, self.call(headers=[("te", None)]))

    def test_malformed_timeouts_are_refused(self):
        for timeout in ("", "S", "1", "1x", "-1S", "+1S", "1.5S", "123456789S", "1SS", "abc"):
            answer = self.call(headers=[("grpc-timeout", timeout)])
            self.assertEnds(INTERNAL, answer)
            self.assertIn("grpc-timeout", answer.trailers["grpc-message"])
        for timeout in ("99999999H", "1M", "100S", "99999999m", "99999999u"):
            self.assertEnds(OK, self.call(headers=[("grpc-timeout", timeout)]))

    def test_unknown_encodings_are_refused_with_those_that_are_known(self):
        for flag in (0, 1):
            answer = self.call(headers=[("grpc-encoding", "br")], body=http2.message(b"", flag))
            self.assertEnds(UNIMPLEMENTED, answer)
            self.assertEqual(answer.headers["grpc-accept-encoding"], "identity,deflate,gzip")

    def test_a_compressed_message_without_an_encoding_is_refused(self):
        for encoding in (None, "identity"):
            self.assertEnds(INTERNAL, self.call(headers=[("grpc-encoding", encoding)], body=http2.message(b"", 1)))

    def test_unknown_flags_are_refused(self):
        for flag in (2, 3, 128, 255):
            self.assertEnds(INTERNAL, self.call(body=http2.message(b"", flag)))

    def test_a_message_cut_short_is_refused(self):
        whole = http2.message(pb.SimpleRequest(response_size=5).SerializeToString())
        for length in (1, 4, 5, len(whole) - 1):
            self.assertEnds(INTERNAL, self.call(body=whole[:length]))
        self.assertEnds(INTERNAL, self.call("StreamingInputCall", body=http2.message() + whole[:4]))

    def test_binary_values_may_be_joined_by_commas(self):
        self.assertEqual(self.echoed("AAE,AAEC"), b"\0\1")  # the handler returns the first value
        self.assertEqual(self.echoed("AAE=, AAEC"), b"\0\1")
        self.assertEqual(self.echoed("AAE", "AAEC"), b"\0\1")

    def test_binary_values_that_are_not_base64_are_refused(self):
        for value in ("%%%", "A", "AAEC AAEC", "AAEC=AAEC"):
            answer = self.call(headers=[("x-grpc-test-echo-trailing-bin", value)])
            self.assertEnds(INTERNAL, answer)
            self.assertIn("x-grpc-test-echo-trailing-bin", answer.trailers["grpc-message"])

    def test_a_frame_of_more_than_16_kib_is_an_error(self):
        whole = http2.message(pb.SimpleRequest(payload=pb.Payload(body=bytes(30_000))).SerializeToString())
        self.assertEnds(OK, self.call(pieces=[whole[:http2.PIECE], whole[http2.PIECE:]]))
        with Connection(self.server.address) as client:
            client.settle()
            self.assertNotIn(MAX_FRAME_SIZE, client.settings)  # so HTTP/2's initial value applies
            client.send(http2.DATA, 0, 1, bytes(http2.PIECE + 1))
            self.assertTrue(client.ends())
            self.assertEqual(client.code, FRAME_SIZE_ERROR)

    def test_frames_of_streams_that_are_over_end_the_connection(self):
        headers = http2.headers_frame(SERVICE + "EmptyCall", 1)
        skipped = http2.headers_frame(SERVICE + "EmptyCall", 5) + http2.headers_frame(SERVICE + "EmptyCall", 3)
        for more, code in ((headers, STREAM_CLOSED), (skipped, PROTOCOL_ERROR)):
            self.assertEqual(self.call(then=more).end, f"goaway {code}")

    def test_data_that_was_under_way_after_a_reset_ends_no_other_call(self):
        with Connection(self.server.address) as client:
            client.call(WATCH, 1)
            client.call(WATCH, 3)
            self.assertTrue(client.until(lambda: client.messages == 2))
            client.call(SERVICE + "FullDuplexCall", 5, end=False)
            client.send(http2.RST_STREAM, 0, 5, CANCEL.to_bytes(4, "big"))
            client.send(http2.DATA, 0, 5, http2.message())
            client.send(http2.DATA, http2.END_STREAM, 5, http2.message())
            self.assertTrue(client.until(lambda: client.resets))
            self.assertTrue(client.settle())
            self.assertEqual(client.resets, {5: STREAM_CLOSED})
            self.assertEqual(client.statuses, {})
