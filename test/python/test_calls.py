"""Behaviour common to all calls, seen by a client: unknown names, metadata, deadlines, cancels, limits, bad bytes."""

import grpc

from harness import TIMEOUT, ServiceTest, stubs

hello, hello_services = stubs("helloworld")
tasks, task_services = stubs("tasks")
telemetry, telemetry_services = stubs("telemetry")


class Calls(ServiceTest):
    def raw(self, path):
        return self.channel.unary_unary(path)  # bytes in, bytes out

    def test_the_greeter_greets(self):
        stub = hello_services.GreeterStub(self.channel)
        for name in ("World", "", "Jürgen \U0001f44b"):
            reply = stub.SayHello(hello.HelloRequest(name=name), timeout=TIMEOUT)
            self.assertEqual(reply.message, f"Hello {name}!")

    def test_compression_as_the_client_asks(self):
        stub = hello_services.GreeterStub(self.channel)
        name = "a" * 10_000
        for compression in (grpc.Compression.Gzip, grpc.Compression.Deflate, grpc.Compression.NoCompression):
            reply = stub.SayHello(hello.HelloRequest(name=name), compression=compression, timeout=TIMEOUT)
            self.assertEqual(len(reply.message), 10_007)

    def test_unknown_names_are_unimplemented(self):
        for path in ("/tasks.TaskService/NoSuchMethod", "/no.Such/Service", "/", "/tasks.TaskService/"):
            with self.subTest(path):
                error = self.assertFails(grpc.StatusCode.UNIMPLEMENTED, self.raw(path), b"")
                self.assertNotEqual(error.details(), "")

    def test_malformed_requests_are_refused(self):
        cases = {
            "truncated": b"\x0a\x05ab",
            "not UTF-8": b"\x0a\x02\xff\xfe",
            "an endless number": b"\x18" + b"\xff" * 11,
            "field number 0": b"\x02\x00",
            "a group without end": b"\x0b",
        }
        for what, data in cases.items():
            with self.subTest(what):
                self.assertFails(grpc.StatusCode.INVALID_ARGUMENT, self.raw("/tasks.TaskService/CreateTask"), data)

    def test_a_message_over_the_limit_is_refused(self):
        stub = hello_services.GreeterStub(self.channel)
        self.assertFails(grpc.StatusCode.RESOURCE_EXHAUSTED, stub.SayHello,
                         hello.HelloRequest(name="x" * (5 << 20)))
        self.assertEqual(stub.SayHello(hello.HelloRequest(name="still here"), timeout=TIMEOUT).message,
                         "Hello still here!")

    def test_a_deadline_ends_a_stream(self):
        stub = telemetry_services.TelemetryServiceStub(self.channel)
        stream = stub.Subscribe(telemetry.MetricsRequest(interval_ms=10_000), timeout=1)
        next(stream)
        with self.assertRaises(grpc.RpcError) as caught:
            next(stream)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)

    def test_a_cancelled_stream_leaves_the_connection_alone(self):
        stub = telemetry_services.TelemetryServiceStub(self.channel)
        streams = [stub.Subscribe(telemetry.MetricsRequest(interval_ms=10_000), timeout=TIMEOUT) for _ in range(50)]
        for stream in streams:
            next(stream)
            stream.cancel()
        reply = hello_services.GreeterStub(self.channel).SayHello(hello.HelloRequest(name="W"), timeout=TIMEOUT)
        self.assertEqual(reply.message, "Hello W!")

    def test_many_calls_at_once(self):
        stub = hello_services.GreeterStub(self.channel)
        calls = [stub.SayHello.future(hello.HelloRequest(name=str(n)), timeout=TIMEOUT) for n in range(500)]
        self.assertEqual([call.result().message for call in calls], [f"Hello {n}!" for n in range(500)])

    def test_metadata_of_the_client_does_no_harm(self):
        stub = hello_services.GreeterStub(self.channel)
        metadata = (("x-text", "value"), ("x-raw-bin", bytes(range(256))), ("x-text", "again"))
        reply = stub.SayHello(hello.HelloRequest(name="M"), metadata=metadata, timeout=TIMEOUT)
        self.assertEqual(reply.message, "Hello M!")
