"""Calls as a handler sees them, and the handling of its errors. The service is in project/."""

import pathlib
import random

import grpc

from harness import TIMEOUT, Requests, ServiceTest, stubs

PROJECT = pathlib.Path(__file__).parent / "project"
pb, services = stubs("probe", PROJECT)


class Handlers(ServiceTest):
    folder = PROJECT
    arguments = ("--workers", "1")  # one Lua state, so that Ended counts the calls of Wait

    def setUp(self):
        self.stub = services.ProbeStub(self.channel)

    def test_the_call_object(self):
        seen = self.stub.Look(pb.Empty(), timeout=TIMEOUT)
        self.assertEqual((seen.service, seen.method), ("probe.Probe", "Look"))
        self.assertIn("127.0.0.1", seen.peer)
        self.assertTrue(TIMEOUT - 10 < seen.time_remaining <= TIMEOUT + 1, seen.time_remaining)
        self.assertEqual(self.stub.Look(pb.Empty()).time_remaining, -1)

    def test_metadata_both_ways(self):
        sent = [("x-text", "one"), ("x-text", "two"), ("x-raw-bin", bytes(range(256))), ("x-raw-bin", b""),
                ("x-comma-bin", b","), ("x-spaced", "a  b")]
        _, call = self.stub.Look.with_call(pb.Empty(), metadata=sent, timeout=TIMEOUT)
        headers = [tuple(entry) for entry in call.initial_metadata()]
        trailers = [tuple(entry) for entry in call.trailing_metadata()]
        for key in {key for key, _ in sent}:
            values = [value for k, value in sent if k == key]
            self.assertEqual([value for k, value in headers if k == key], values)
            self.assertEqual([value for k, value in trailers if k == f"trailer-{key}"], values)

    def test_every_code_arrives_with_its_message(self):
        for code in grpc.StatusCode:
            number = code.value[0]
            if number == 0:
                continue
            for message in (f"code {number}", "ünïcödé 100 % \u263d\nsecond line", ""):
                with self.subTest(code=code.name, message=message):
                    error = self.assertFails(code, self.stub.Fail, pb.Failure(code=number, message=message))
                    self.assertEqual(error.details(), message)

    def test_a_long_message_is_cut_between_characters(self):
        for character, count in (("x", 4096), ("%", 1365), ("\u263d", 455)):
            error = self.assertFails(grpc.StatusCode.INTERNAL, self.stub.Fail,
                                     pb.Failure(code=13, message=character * 10_000))
            self.assertEqual(error.details(), character * count)

    def test_details_arrive(self):
        error = self.assertFails(grpc.StatusCode.NOT_FOUND, self.stub.Fail,
                                 pb.Failure(code=5, message="gone", with_detail=True))
        details = dict(error.trailing_metadata())["grpc-status-details-bin"]
        self.assertIn(b"type.googleapis.com/google.rpc.ErrorInfo", details)
        self.assertIn(b"example.com", details)

    def test_a_lua_error_is_internal_and_logged(self):
        error = self.assertFails(grpc.StatusCode.INTERNAL, self.stub.Crash, pb.Empty())
        self.assertNotIn("boom", error.details())
        number = error.details().split()[-1]  # id of the error
        self.server.wait_logged(number, "boom", "lua/probe.lua:")
        self.stub.Look(pb.Empty(), timeout=TIMEOUT)

    def test_a_long_stream_out(self):
        stream = self.stub.Flood(pb.FloodRequest(count=20_000, size=100), timeout=TIMEOUT)
        self.assertEqual(sum(len(blob.data) for blob in stream), 2_000_000)

    def test_a_long_stream_in(self):
        total = self.stub.Sink((pb.Blob(data=b"x" * 100) for _ in range(5_000)), timeout=TIMEOUT)
        self.assertEqual((total.messages, total.bytes), (5_000, 500_000))

    def test_an_empty_stream_in(self):
        self.assertEqual(self.stub.Sink(iter([]), timeout=TIMEOUT).messages, 0)

    def test_an_echo_both_ways_at_once(self):
        rng = random.Random(1)
        sent = [rng.randbytes(rng.choice((0, 1, 100, 10_000))) for _ in range(500)]
        echo = self.stub.Echo((pb.Blob(data=data) for data in sent), timeout=TIMEOUT)
        self.assertEqual([blob.data for blob in echo], sent)

    def test_an_echo_message_by_message(self):
        requests = Requests()
        echo = self.stub.Echo(iter(requests), timeout=TIMEOUT)
        for n in range(100):
            requests.send(pb.Blob(data=b"%d" % n))
            self.assertEqual(next(echo).data, b"%d" % n)
        requests.end()
        self.assertEqual(list(echo), [])

    def ended(self, count):
        """True once `count` calls of Wait have ended. Polls the server up to 20,000 times."""
        for _ in range(20_000):
            if self.stub.Ended(pb.Empty(), timeout=TIMEOUT).messages >= count:
                return True
        return False

    def test_handlers_unwind_when_their_call_ends(self):
        before = self.stub.Ended(pb.Empty(), timeout=TIMEOUT).messages
        self.assertFails(grpc.StatusCode.DEADLINE_EXCEEDED, self.stub.Wait, pb.Empty(), timeout=0.2)
        self.assertTrue(self.ended(before + 1), "after its deadline")

        call = self.stub.Wait.future(pb.Empty(), timeout=TIMEOUT)
        self.stub.Look(pb.Empty(), timeout=TIMEOUT)  # same connection: when it returns, Wait has begun
        call.cancel()
        self.assertTrue(self.ended(before + 2), "after a cancel")

        channel = self.new_channel()
        lost = services.ProbeStub(channel).Wait.future(pb.Empty(), timeout=TIMEOUT)
        services.ProbeStub(channel).Look(pb.Empty(), timeout=TIMEOUT)
        channel.close()
        self.assertTrue(self.ended(before + 3), "after a lost connection")
        self.assertTrue(lost.done())
