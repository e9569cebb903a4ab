"""Runs the gRPC interoperability cases against examples/interop, with a client generated from its .proto files, and
compares those files with the ones that all implementations share."""

import gzip
import pathlib
import subprocess
import tempfile
import unittest
import zlib

import grpc
from google.protobuf import descriptor_pb2

import http2
from harness import ROOT, TIMEOUT, Requests, stubs
from test_examples import Example

INTEROP = ROOT / "examples" / "interop"
ORIGINAL = pathlib.Path("/usr/share/grpc-proto")
pb, services = stubs("interop", INTEROP)

REQUESTS, RESPONSES = (27182, 8, 1828, 45904), (31415, 9, 2653, 58979)
LARGE = {"response_size": 314159, "payload": pb.Payload(body=bytes(271828))}
METADATA = [("x-grpc-test-echo-initial", "test_initial_metadata_value"),
            ("x-grpc-test-echo-trailing-bin", b"\x0a\x0b\x0a\x0b\x0a\x0b")]


def asking(size, **fields):
    return pb.StreamingOutputCallRequest(response_parameters=[pb.ResponseParameters(size=size)], **fields)


class Interop(Example):
    folder = INTEROP

    def setUp(self):
        self.stub = services.TestServiceStub(self.channel)

    def large(self, stub, **fields):
        reply = stub.UnaryCall(pb.SimpleRequest(**LARGE, **fields), timeout=TIMEOUT)
        self.assertEqual(reply.payload.body, bytes(314159))

    def test_empty_unary(self):
        self.assertEqual(self.stub.EmptyCall(pb.Empty(), timeout=TIMEOUT), pb.Empty())

    def test_cacheable_unary(self):
        reply, call = self.stub.CacheableUnaryCall.with_call(pb.SimpleRequest(), timeout=TIMEOUT,
                                                             metadata=[("x-user-ip", "1.2.3.4")])
        self.assertTrue(reply.payload.body.isdigit())
        self.assertIn(("cache-control", "max-age=60, public"), call.initial_metadata())

    def test_large_unary(self):
        self.large(self.stub)

    def test_concurrent_large_unary(self):
        calls = [self.stub.UnaryCall.future(pb.SimpleRequest(**LARGE), timeout=TIMEOUT) for _ in range(200)]
        for call in calls:
            self.assertEqual(call.result().payload.body, bytes(314159))

    def test_client_compressed_unary(self):
        for expected in (True, False):
            compression = grpc.Compression.Gzip if expected else grpc.Compression.NoCompression
            request = pb.SimpleRequest(expect_compressed=pb.BoolValue(value=expected), **LARGE)
            self.stub.UnaryCall(request, compression=compression, timeout=TIMEOUT)
            request.expect_compressed.value = not expected
            self.assertFails(grpc.StatusCode.INVALID_ARGUMENT, self.stub.UnaryCall, request, compression=compression)

    def test_client_compressed_streaming(self):
        def requests(expected):
            yield pb.StreamingInputCallRequest(payload=pb.Payload(body=bytes(27182)),
                                               expect_compressed=pb.BoolValue(value=expected))
            yield pb.StreamingInputCallRequest(payload=pb.Payload(body=bytes(45904)))
        reply = self.stub.StreamingInputCall(requests(True), compression=grpc.Compression.Gzip, timeout=TIMEOUT)
        self.assertEqual(reply.aggregated_payload_size, 73086)
        self.assertFails(grpc.StatusCode.INVALID_ARGUMENT, self.stub.StreamingInputCall, requests(True))

    def exchange(self, method, request, headers=()):
        return http2.exchange(self.server.address, f"/grpc.testing.TestService/{method}", headers=headers,
                              body=http2.message(request.SerializeToString()))

    def test_server_compressed_unary(self):
        unpackers = {"gzip": gzip.decompress, "deflate": zlib.decompress, None: bytes}
        for accepted, sent in (("identity,gzip", "gzip"), ("gzip, deflate", "gzip"), ("deflate", "deflate"),
                               ("identity", None), ("br", None), (None, None)):
            with self.subTest(accepted=accepted):
                request = pb.SimpleRequest(response_compressed=pb.BoolValue(value=True), response_size=10_000)
                answer = self.exchange("UnaryCall", request, [("grpc-accept-encoding", accepted)])
                self.assertEqual(answer.grpc_status, 0)
                self.assertEqual(answer.headers.get("grpc-encoding", "identity"), sent or "identity")
                [(flag, data)] = answer.messages
                self.assertEqual(flag, 1 if sent else 0)
                self.assertEqual(pb.SimpleResponse.FromString(unpackers[sent](data)).payload.body, bytes(10_000))
                self.assertTrue(not sent or len(data) < 1000)

    def test_server_compressed_streaming(self):
        parameters = [pb.ResponseParameters(size=size, compressed=pb.BoolValue(value=compressed))
                      for size, compressed in ((31415, True), (92653, False), (31415, True))]
        answer = self.exchange("StreamingOutputCall", pb.StreamingOutputCallRequest(response_parameters=parameters),
                               [("grpc-accept-encoding", "identity,deflate,gzip")])
        self.assertEqual(answer.grpc_status, 0)
        self.assertEqual(answer.headers["grpc-encoding"], "gzip")
        self.assertEqual([flag for flag, _ in answer.messages], [1, 0, 1])
        bodies = [pb.StreamingOutputCallResponse.FromString(gzip.decompress(data) if flag else data).payload.body
                  for flag, data in answer.messages]
        self.assertEqual([len(body) for body in bodies], [31415, 92653, 31415])

    def test_client_streaming(self):
        requests = (pb.StreamingInputCallRequest(payload=pb.Payload(body=bytes(size))) for size in REQUESTS)
        self.assertEqual(self.stub.StreamingInputCall(requests, timeout=TIMEOUT).aggregated_payload_size, 74922)

    def test_server_streaming(self):
        parameters = [pb.ResponseParameters(size=size) for size in RESPONSES]
        stream = self.stub.StreamingOutputCall(pb.StreamingOutputCallRequest(response_parameters=parameters),
                                               timeout=TIMEOUT)
        self.assertEqual([reply.payload.body for reply in stream], [bytes(size) for size in RESPONSES])

    def test_ping_pong(self):
        requests = Requests()
        stream = self.stub.FullDuplexCall(iter(requests), timeout=TIMEOUT)
        for request, response in zip(REQUESTS, RESPONSES):
            requests.send(asking(response, payload=pb.Payload(body=bytes(request))))
            self.assertEqual(next(stream).payload.body, bytes(response))
        requests.end()
        self.assertEqual(list(stream), [])
        self.assertEqual(stream.code(), grpc.StatusCode.OK)

    def test_half_duplex(self):
        stream = self.stub.HalfDuplexCall((asking(size) for size in RESPONSES), timeout=TIMEOUT)
        self.assertEqual([len(reply.payload.body) for reply in stream], list(RESPONSES))

    def test_empty_stream(self):
        self.assertEqual(list(self.stub.FullDuplexCall(iter([]), timeout=TIMEOUT)), [])

    def test_custom_metadata(self):
        _, unary = self.stub.UnaryCall.with_call(pb.SimpleRequest(**LARGE), metadata=METADATA, timeout=TIMEOUT)
        stream = self.stub.FullDuplexCall(iter([asking(314159)]), metadata=METADATA, timeout=TIMEOUT)
        self.assertEqual(len(list(stream)), 1)
        for call in (unary, stream):
            self.assertIn(METADATA[0], call.initial_metadata())
            self.assertIn(METADATA[1], call.trailing_metadata())

    def test_status_code_and_message_and_special_status_message(self):
        for text in ("test status message", "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"):
            status = pb.EchoStatus(code=2, message=text)
            unary = self.assertFails(grpc.StatusCode.UNKNOWN, self.stub.UnaryCall,
                                     pb.SimpleRequest(response_status=status))
            stream = self.assertFails(grpc.StatusCode.UNKNOWN, self.stub.FullDuplexCall,
                                      iter([pb.StreamingOutputCallRequest(response_status=status)]))
            self.assertEqual((unary.details(), stream.details()), (text, text))

    def test_unimplemented_method_and_service(self):
        other = services.UnimplementedServiceStub(self.channel)
        for method in (self.stub.UnimplementedCall, other.UnimplementedCall):
            self.assertFails(grpc.StatusCode.UNIMPLEMENTED, method, pb.Empty())

    def test_cancel_after_begin(self):
        requests = Requests()
        call = self.stub.StreamingInputCall.future(iter(requests), timeout=TIMEOUT)
        call.cancel()
        requests.end()
        self.assertEqual(call.code(), grpc.StatusCode.CANCELLED)

    def test_cancel_after_first_response(self):
        requests = Requests()
        stream = self.stub.FullDuplexCall(iter(requests), timeout=TIMEOUT)
        requests.send(asking(31415, payload=pb.Payload(body=bytes(27182))))
        next(stream)
        stream.cancel()
        self.assertRaises(grpc.RpcError, next, stream)
        self.assertEqual(stream.code(), grpc.StatusCode.CANCELLED)
        requests.end()

    def test_timeout_on_sleeping_server(self):
        sleeping = pb.StreamingOutputCallRequest(
            payload=pb.Payload(body=bytes(27182)),
            response_parameters=[pb.ResponseParameters(size=1, interval_us=60_000_000)])
        self.assertFails(grpc.StatusCode.DEADLINE_EXCEEDED, self.stub.FullDuplexCall, iter([sleeping]), timeout=0.01)

    def test_rpc_soak_and_channel_soak(self):
        for _ in range(20):
            self.large(self.stub)
            self.large(services.TestServiceStub(self.new_channel()))

    def test_pick_first_unary(self):
        stubs_of_all = [services.TestServiceStub(self.new_channel()) for _ in range(10)]
        request = pb.SimpleRequest(fill_server_id=True)
        self.assertEqual(len({stub.UnaryCall(request, timeout=TIMEOUT).server_id for stub in stubs_of_all}), 1)

    def test_the_client_script_shows_what_it_says(self):
        shown = self.run_client()
        for words in ("\"serverId\":", "UNKNOWN: as asked", "INVALID_ARGUMENT: expect_compressed: true",
                      "cache-control: max-age=60, public", "\"aggregatedPayloadSize\":5", "DATA_LOSS", "UNIMPLEMENTED"):
            self.assertIn(words, shown)


class Contract(unittest.TestCase):
    @staticmethod
    def described(folder, *names):
        """full name -> the properties of a field, value or method that the wire format depends on."""
        with tempfile.NamedTemporaryFile() as out:
            subprocess.run(["protoc", f"-I{folder}", f"--descriptor_set_out={out.name}", "--include_imports", *names],
                           check=True)
            files = descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(out.name).read_bytes()).file
        found = {}
        for file in files:
            for type in file.message_type:
                for field in type.field:
                    found[f"{type.name}.{field.name}"] = (field.number, field.label, field.type, field.type_name)
            for enum in file.enum_type:
                found.update({f"{enum.name}.{value.name}": value.number for value in enum.value})
            for service in file.service:
                for method in service.method:
                    found[f"{service.name}/{method.name}"] = (method.input_type, method.output_type,
                                                              method.client_streaming, method.server_streaming)
        return found

    @unittest.skipUnless(ORIGINAL.is_dir(), "Debian's grpc-proto is not there")
    def test_means_the_same_as_the_one_that_all_share(self):
        ours = self.described(INTEROP / "proto", "interop.proto")
        theirs = self.described(ORIGINAL, "grpc/testing/test.proto")
        self.assertGreater(len(ours), 40)
        for name, wire in ours.items():
            self.assertEqual(theirs.get(name), wire, name)
        for name in theirs:
            if name.startswith(("TestService/", "UnimplementedService/")):
                self.assertIn(name, ours)
