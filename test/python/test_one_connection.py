"""One busy connection: its calls run on other workers too, with the same results."""

import os
import threading
import unittest

import grpc

from harness import ROOT, TIMEOUT, Requests, ServiceTest, stubs

FOLDER = ROOT / "test" / "python" / "project"
pb, services = stubs("busy", FOLDER)
CALLERS, TURNS = 32, 20


@unittest.skipUnless(os.environ.get("MOONWIRE_TEST_ENGINE") == "http",
                     "C core keeps the calls of a connection together")
class OneConnection(ServiceTest):
    folder = FOLDER
    arguments = ("--workers", "3")

    def setUp(self):
        self.stub = services.BusyStub(self.channel)

    def work(self, call):
        """Makes calls from many threads until several workers have run some. `call(n)` makes call number `n`, checks
        it, and returns the worker that ran it. Returns the workers."""
        seen, wrong, lock = set(), [], threading.Lock()

        def run(first):
            try:
                for n in range(first, first + TURNS):
                    worker = call(n)
                    with lock:
                        seen.add(worker)
            except Exception as error:  # noqa: BLE001 -- any exception fails the test
                wrong.append(error)

        for _ in range(50):
            threads = [threading.Thread(target=run, args=(i * TURNS,)) for i in range(CALLERS)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(wrong, [])
            if len(seen) > 1:
                return seen
        self.fail(f"every call ran on worker {seen}")

    def test_one_message_there_and_back(self):
        def call(n):
            reply, made = self.stub.Work.with_call(pb.Job(number=n, turns=20_000), timeout=TIMEOUT,
                                                   metadata=[("x-mark", str(n)), ("x-mark-bin", bytes([0, n % 256]))])
            self.assertEqual(reply.number, n)
            self.assertEqual(dict(made.initial_metadata())["x-mark"], str(n))
            self.assertEqual(dict(made.trailing_metadata())["x-mark-bin"], bytes([0, n % 256]))
            return reply.worker
        self.work(call)

    def test_failures(self):
        def call(n):
            with self.assertRaises(grpc.RpcError) as caught:
                self.stub.Work(pb.Job(number=n, turns=20_000, fails=True), timeout=TIMEOUT)
            self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND)
            self.assertEqual(caught.exception.details(), f"no job {n}")
            return dict(caught.exception.trailing_metadata())["x-worker"]
        self.work(call)

    def test_many_messages_back(self):
        def call(n):
            replies = list(self.stub.Count(pb.Job(number=100, turns=20_000), timeout=TIMEOUT))
            self.assertEqual([reply.number for reply in replies], list(range(1, 101)))
            return replies[0].worker
        self.work(call)

    def test_many_messages_there(self):
        def call(n):
            reply = self.stub.Sum((pb.Job(number=i, turns=5_000) for i in range(20)), timeout=TIMEOUT)
            self.assertEqual(reply.number, sum(range(20)))
            return reply.worker
        self.work(call)

    def test_a_message_there_for_each_back(self):
        def call(n):
            requests = Requests()
            replies = self.stub.Echo(iter(requests), timeout=TIMEOUT)
            for i in range(5):
                requests.send(pb.Job(number=i, turns=5_000))
                reply = next(replies)
                self.assertEqual(reply.number, i)
            requests.end()
            self.assertEqual(list(replies), [])
            return reply.worker
        self.work(call)

    def test_calls_that_are_given_up(self):
        def call(n):
            stream = self.stub.Count(pb.Job(number=1_000_000, turns=20_000), timeout=TIMEOUT)
            worker = next(stream).worker
            stream.cancel()
            return worker
        self.work(call)

    def test_deadlines(self):
        def call(n):
            stream = self.stub.Count(pb.Job(number=1_000_000_000, turns=20_000, slowly=True), timeout=0.5)
            with self.assertRaises(grpc.RpcError) as caught:
                for reply in stream:
                    worker = reply.worker
            self.assertEqual(caught.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
            return worker
        self.assertIsNotNone(call(0))
