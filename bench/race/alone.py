"""Measurements of Moonwire alone: start, memory, open streams, the store, work sharing."""

import json
import statistics
import subprocess
import tempfile

import grpc

from race import BUILD, LOAD_CORE, ROOT, SERVER_CORE, SERVICE
from race.process import Failed, Process
from race.stubs import MOONWIRE, stubs
from race.workloads import LOAD, message_file

tasks, _ = stubs("tasks")
telemetry, telemetry_services = stubs("telemetry")
loops, loop_services = stubs("bench", SERVICE)

BOTH = f"{SERVER_CORE},{LOAD_CORE}"


def moonwire(folder=ROOT, workers=1, data=":memory:", cores=SERVER_CORE):
    return Process(MOONWIRE, "serve", folder, "--listen", "127.0.0.1:0", "--workers", workers, "--data", data,
                   name="moonwire", cores=cores)


def idle_memory():
    with moonwire(workers=2, cores=BOTH) as server:
        return server.resident() / 1024


def start_milliseconds(count=9):
    def once():
        with moonwire(workers=2, cores=BOTH) as server:
            return server.start_seconds * 1000
    return statistics.median(once() for _ in range(count))


def stream_memory(count=1000, connections=10):
    """Returns the KB for each open Subscribe stream that has had its first message."""
    with moonwire(workers=2, cores=BOTH) as server:
        before = server.resident()
        options = [("grpc.use_local_subchannel_pool", 1)]
        channels = [grpc.insecure_channel(server.address, options=options) for _ in range(connections)]
        request = telemetry.MetricsRequest(service_name="bench", interval_ms=600_000)
        streams = [telemetry_services.TelemetryServiceStub(channels[n % connections]).Subscribe(request)
                   for n in range(count)]
        for stream in streams:
            next(stream)
        used = server.resident() - before
        for channel in channels:
            channel.close()
    return used / count


def calls(server, method, request, connections, streams, seconds=3, cores=LOAD_CORE):
    """Returns calls per second."""
    done = subprocess.run(
        ["taskset", "-c", cores, LOAD, server.address, method, "--request", message_file(request), "--unchecked",
         "--connections", str(connections), "--streams", str(streams), "--seconds", str(seconds)],
        capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"{method}: {done.stdout}{done.stderr}")
    result = json.loads(done.stdout)
    return result["calls"] / result["seconds"]


def inserts(connections, streams):
    """Returns durable CreateTask calls per second."""
    request = tasks.CreateTaskRequest(title="a task", description="that is written to disk", priority=tasks.HIGH)
    with tempfile.TemporaryDirectory(dir=BUILD) as data, moonwire(data=data) as server:
        return calls(server, "/tasks.TaskService/CreateTask", request, connections, streams)


def one_connection(rounds=3, seconds=2, count=10_000):
    """Returns the calls per second of one connection with one worker and with two. Each call does some 50 microseconds
    of Lua work. The client, which needs little, shares both cores with the server."""
    rates = {1: [], 2: []}
    for _ in range(rounds):
        for workers, seen in rates.items():
            with moonwire(folder=SERVICE, workers=workers, cores=BOTH) as server:
                seen.append(calls(server, "/bench.Bench/Work", loops.LoopRequest(count=count), 1, 64, seconds, BOTH))
    return [statistics.median(seen) for seen in rates.values()]


def gets(count=10_000, times=25):
    """Returns reads of the store per second, in a loop of a Lua handler."""
    with moonwire(folder=SERVICE) as server, grpc.insecure_channel(server.address) as channel:
        stub = loop_services.BenchStub(channel)
        return statistics.median(stub.Gets(loops.LoopRequest(count=count), timeout=60).per_second for _ in range(times))


def measure():
    """Prints one line for each figure. Returns {name: value}."""
    figures = {}

    def line(name, key, value, unit, goal=""):
        figures[key] = value
        print(f"  {name:<44}{value:>10,.0f} {unit:<9}{goal}", flush=True)

    print("\nalone: Moonwire's default services")
    line("start to listening, two workers", "start_ms", start_milliseconds(), "ms", "below 150")
    line("idle, two workers", "idle_mb", idle_memory(), "MB", "below 40")
    line("an open Subscribe stream, of 1,000", "stream_kb", stream_memory(), "KB", "below 40")
    one = inserts(1, 1)
    line("durable inserts, one caller", "inserts_1", one, "per s")
    line("durable inserts, 64 callers", "inserts_64", inserts(8, 8), "per s",
         f"at least 20,000, or 20 x one caller ({20 * one:,.0f})")
    one, two = one_connection()
    line("one connection, 50 us of Lua, one worker", "connection_1", one, "calls/s")
    line("one connection, 50 us of Lua, two workers", "connection_2", two, "calls/s",
         f"at least 1.6 x one ({1.6 * one:,.0f})")
    line("gets from Lua, one core", "gets", gets(), "per s", "at least 500,000")
    return figures
