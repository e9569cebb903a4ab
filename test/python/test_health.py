"""The health service as load balancers and clients with health checking use it, while saves add and remove services."""

import json
import queue
import signal
import unittest

import grpc

from harness import ROOT, TIMEOUT, Server, project, stubs

HEALTH_PROTO = ROOT / "src/schema/wellknown/grpc/health/v1/health.proto"
PROTO = 'syntax = "proto3"; package {0}; message M {{ string text = 1; }} service S {{ rpc Get(M) returns (M); }}\n'
SCRIPT = 'require "moonwire".service "{0}.S".Get = function(m) return m end\n'
UNKNOWN, SERVING, NOT_SERVING, SERVICE_UNKNOWN = range(4)


def raw(channel, method, stream=False):
    """A callable for requests and replies as bytes, which tests encode by hand."""
    kind = channel.unary_stream if stream else channel.unary_unary
    return kind(method, request_serializer=bytes, response_deserializer=bytes)


def name(service):
    return bytes([0x0a, len(service)]) + service.encode()


class Health(unittest.TestCase):
    def setUp(self):
        self.folder = project(self, {"proto/a.proto": PROTO.format("a"), "lua/a.lua": SCRIPT.format("a")})
        self.server = Server(self.folder, arguments=("--workers", "2"))
        self.addCleanup(self.server.stop)

    def channel(self, **config):
        options = [("grpc.service_config", json.dumps(config))] if config else []
        channel = grpc.insecure_channel(self.server.address, options=options + [("grpc.use_local_subchannel_pool", 1)])
        self.addCleanup(channel.close)
        return channel

    def checked_channel(self, service):
        """A channel whose client makes no call before Watch has returned SERVING."""
        return self.channel(healthCheckConfig={"serviceName": service}, loadBalancingConfig=[{"round_robin": {}}])

    def commit(self, script):
        """Reloads, and waits for the generation that has the script's change."""
        self.server.process.send_signal(signal.SIGHUP)
        self.server.wait_logged("is live", script)

    def add(self, package):
        (self.folder / f"proto/{package}.proto").write_text(PROTO.format(package))
        (self.folder / f"lua/{package}.lua").write_text(SCRIPT.format(package))
        self.commit(f"lua/{package}.lua")

    def remove(self, package):
        (self.folder / f"lua/{package}.lua").unlink()
        self.commit(f"lua/{package}.lua")

    def watch(self, service):
        stream = raw(self.channel(), "/grpc.health.v1.Health/Watch", stream=True)(name(service), timeout=TIMEOUT)
        self.addCleanup(stream.cancel)
        return stream

    def assert_status(self, status, stream):
        self.assertEqual(next(stream), bytes([0x08, status]))

    def test_watch_follows_saves(self):
        a, b, whole = self.watch("a.S"), self.watch("b.S"), self.watch("")
        self.assert_status(SERVING, a)
        self.assert_status(SERVICE_UNKNOWN, b)
        self.assert_status(SERVING, whole)
        self.add("b")
        self.assert_status(SERVING, b)
        self.remove("a")
        self.assert_status(SERVICE_UNKNOWN, a)
        self.server.process.send_signal(signal.SIGTERM)
        self.assert_status(NOT_SERVING, b)
        self.assert_status(NOT_SERVING, whole)
        for stream in (a, b, whole):
            with self.assertRaises(grpc.RpcError) as caught:
                next(stream)
            self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)

    def test_a_client_with_health_checking_calls_a_service_once_a_save_adds_it(self):
        call = raw(self.checked_channel("b.S"), "/b.S/Get")
        waiting = call.future(name("early"), timeout=TIMEOUT, wait_for_ready=True)
        self.add("b")
        self.assertEqual(waiting.result(), name("early"))
        self.assertEqual(call(name("late"), timeout=TIMEOUT), name("late"))

    def test_a_client_with_health_checking_leaves_a_service_that_a_save_removes(self):
        channel = self.checked_channel("a.S")
        self.assertEqual(raw(channel, "/a.S/Get")(name("x"), timeout=TIMEOUT, wait_for_ready=True), name("x"))
        states = queue.Queue()
        channel.subscribe(states.put)
        self.remove("a")
        while states.get(timeout=TIMEOUT) is not grpc.ChannelConnectivity.TRANSIENT_FAILURE:
            pass

    def test_list(self):
        health, _ = stubs("health", project(self, {"proto/health.proto": HEALTH_PROTO.read_text()}))
        reply = raw(self.channel(), "/grpc.health.v1.Health/List")(b"", timeout=TIMEOUT)
        statuses = {key: value.status for key, value in health.HealthListResponse.FromString(reply).statuses.items()}
        self.assertEqual(statuses, dict.fromkeys(
            ("", "a.S", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
             "grpc.reflection.v1alpha.ServerReflection"), SERVING))
