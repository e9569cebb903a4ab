import os
import time

import grpc

from harness import TIMEOUT, Requests, ServiceTest, stubs

pb, services = stubs("telemetry")


class Telemetry(ServiceTest):
    def setUp(self):
        self.stub = services.TelemetryServiceStub(self.channel)

    def snapshot(self, name="this host", stub=None):
        return (stub or self.stub).GetSnapshot(pb.MetricsRequest(service_name=name), timeout=TIMEOUT)

    def feed(self, *payloads, stub=None):
        """Sends the payloads and half-closes. Returns the alerts."""
        return list((stub or self.stub).LiveFeed(iter(payloads), timeout=TIMEOUT))

    def test_a_snapshot_is_measured(self):
        first = self.snapshot()
        self.assertEqual(first.service_name, "this host")
        self.assertTrue(0 <= first.cpu_usage <= 100, first.cpu_usage)
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 20)
        self.assertTrue(0 < first.memory_mb <= total, first.memory_mb)
        self.assertLess(abs(first.timestamp_ms - time.time() * 1000), 60_000)
        self.assertGreater(self.snapshot().request_count, 0)
        self.assertGreater(self.snapshot().request_count, first.request_count)

    def test_a_reporting_service_answers_with_its_latest_report(self):
        self.feed(pb.MetricsPayload(service_name="db", cpu_usage=10, memory_mb=100, timestamp_ms=1),
                  pb.MetricsPayload(service_name="db", cpu_usage=12.5, memory_mb=256, timestamp_ms=2))
        for _ in range(8):  # enough connections to reach each worker
            latest = self.snapshot("db", services.TelemetryServiceStub(self.new_channel()))
            self.assertEqual((latest.service_name, latest.cpu_usage, latest.memory_mb, latest.timestamp_ms),
                             ("db", 12.5, 256, 2))

    def test_alerts_follow_the_rules(self):
        cases = [
            ((90.0, 4096.0), []),
            ((90.1, 0), [("CPU_HIGH", 90.1)]),
            ((0, 4097.0), [("MEMORY_HIGH", 4097.0)]),
            ((99.0, 5000.0), [("CPU_HIGH", 99.0), ("MEMORY_HIGH", 5000.0)]),
        ]
        for (cpu, memory), expected in cases:
            with self.subTest(cpu=cpu, memory=memory):
                alerts = self.feed(pb.MetricsPayload(service_name="rules", cpu_usage=cpu, memory_mb=memory,
                                                     timestamp_ms=7))
                self.assertEqual([(alert.alert_type, alert.value) for alert in alerts], expected)
                for alert in alerts:
                    self.assertEqual(alert.timestamp_ms, 7)
                    self.assertIn(f"{alert.value:.1f}", alert.message)

    def test_an_alert_goes_out_while_the_client_still_sends(self):
        requests = Requests()
        alerts = self.stub.LiveFeed(iter(requests), timeout=TIMEOUT)
        for value in (91.0, 92.0, 93.0):
            requests.send(pb.MetricsPayload(service_name="live", cpu_usage=1))
            requests.send(pb.MetricsPayload(service_name="live", cpu_usage=value))
            self.assertEqual(next(alerts).value, value)
        requests.end()
        self.assertEqual(list(alerts), [])

    def test_subscribe_goes_on_until_the_client_goes(self):
        started = time.monotonic()
        stream = self.stub.Subscribe(pb.MetricsRequest(service_name="s", interval_ms=500), timeout=TIMEOUT)
        stamps = [next(stream).timestamp_ms for _ in range(3)]
        self.assertGreaterEqual(time.monotonic() - started, 0.9)
        self.assertEqual(stamps, sorted(stamps))
        stream.cancel()

    def test_subscribe_is_never_faster_than_500_ms(self):
        started = time.monotonic()
        stream = self.stub.Subscribe(pb.MetricsRequest(interval_ms=1), timeout=TIMEOUT)
        for _ in range(2):
            next(stream)
        self.assertGreaterEqual(time.monotonic() - started, 0.45)
        stream.cancel()


