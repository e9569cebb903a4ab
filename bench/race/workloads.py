"""The workloads of the race, run by its load generator, build-bench/bench/load."""

import json
import math
import subprocess
from dataclasses import dataclass

from race import BUILD, LOAD_CORE, SERVICE
from race.process import Failed
from race.stubs import stubs

race, _ = stubs("race", SERVICE)
LOAD = BUILD / "bench" / "load"
FILES = BUILD / "messages"
ITEMS, CHUNKS, CHUNK, TURNS = 1000, 256, 16 << 10, 1000

HELLO = race.HelloRequest(name="World")
GREETING = race.HelloReply(text="Hello World!")
DOCUMENT = race.Document(title="The quick brown fox", text="It jumps over the lazy dog. " * 360, tags=["fox", "dog"])
LIST = race.ListRequest(count=ITEMS, text="a message of a stream, as most are")
LISTED = sum(5 + race.Item(number=n + 1, text=LIST.text).ByteSize() for n in range(ITEMS))
ITEM = race.Item(number=42, text="a message of a stream, as most are")


@dataclass
class Workload:
    name: str
    title: str
    method: str
    request: object
    reply: object = None  # every expected reply message
    reply_bytes: int = 0  # if replies differ: expected bytes of all replies of a call
    sends: int = 1
    receives: int = 1
    lockstep: bool = False
    connections: int = 1
    streams: int = 1
    unit: str = "calls"  # counted unit: calls, received (messages), sent_bytes
    shown: str = "rate"  # reported figure: rate or latency
    of_peak: float = 0  # not 0: a fixed rate, as a share of the server's rate in `unary`


WORKLOADS = [
    Workload("unary", "unary, 12 bytes there and back, 10 connections of 50 calls each", "Hello", HELLO, GREETING,
             connections=10, streams=50),
    Workload("document", "unary, 10 KB there and back, 10 connections of 10 calls each", "Echo", DOCUMENT, DOCUMENT,
             connections=10, streams=10),
    Workload("list", f"server streaming, {ITEMS:,} messages of 38 bytes a call, 10 connections of one call", "List",
             LIST, reply_bytes=LISTED, receives=ITEMS, connections=10, unit="received"),
    Workload("upload", f"client streaming, {CHUNKS} messages of 16 KB a call, 4 connections of one call", "Upload",
             race.Chunk(data=bytes(CHUNK)), race.UploadReply(bytes=CHUNKS * CHUNK), sends=CHUNKS, connections=4,
             unit="sent_bytes"),
    Workload("pingpong", "bidirectional ping-pong, one stream, one message at a time", "PingPong", ITEM, ITEM,
             sends=TURNS, receives=TURNS, lockstep=True, unit="received", shown="latency"),
    Workload("single", "unary, one connection, one call at a time", "Hello", HELLO, GREETING, shown="latency"),
    Workload("paced", "unary at half of each one's own peak, 10 connections, at a fixed rate", "Hello", HELLO, GREETING,
             connections=10, shown="latency", of_peak=0.5),
]


def message_file(message):
    """Writes the message's bytes to a file; equal messages share one. Returns its path."""
    FILES.mkdir(parents=True, exist_ok=True)
    data = message.SerializeToString()
    path = FILES / f"{message.DESCRIPTOR.name}-{len(data)}"
    path.write_bytes(data)
    return path


def load_command(workload, server, echoes=False):
    reply = workload.request if echoes and workload.method == "Hello" else workload.reply
    command = ["taskset", "-c", LOAD_CORE, LOAD, server.address, f"/race.Race/{workload.method}",
               "--request", message_file(workload.request), "--sends", workload.sends, "--receives", workload.receives,
               "--connections", workload.connections, "--streams", workload.streams, "--server-pid", server.pid]
    command += ["--reply", message_file(reply)] if reply else ["--reply-bytes", workload.reply_bytes]
    command += ["--lockstep"] if workload.lockstep else []
    return list(map(str, command))


def run(workload, server, seconds, warm, echoes=False, peak=0):
    """Measures once. Returns the figures that the load printed, plus rate (units per second), cpu and load_cpu
    (microseconds a unit), busy (the client's share of its core) and, at a fixed rate, asked (that rate)."""
    command = load_command(workload, server, echoes) + ["--seconds", str(seconds), "--warm", str(warm)]
    if workload.of_peak:
        command += ["--rate", str(math.floor(peak * workload.of_peak))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + warm + 60)
    if done.returncode != 0:
        why = json.loads(done.stdout)["why"] if done.stdout else done.stderr.strip()
        raise Failed(f"{workload.name}: {why or 'calls did not end'}")
    result = json.loads(done.stdout)
    units = result[workload.unit]
    if units == 0:
        raise Failed(f"{workload.name}: nothing was done in {seconds} seconds")
    result["rate"] = units / result["seconds"]
    result["cpu"] = result["server_cpu"] / units * 1e6
    result["busy"] = result["load_cpu"] / result["seconds"]
    result["load_cpu"] = result["load_cpu"] / units * 1e6
    if workload.of_peak:
        result["asked"] = math.floor(peak * workload.of_peak)
    return result


def connections_memory(server, echoes, count=1000):
    """Returns the resident memory in MB without connections, and the KB that each of `count` connections adds after one
    call."""
    hello = next(workload for workload in WORKLOADS if workload.name == "single")
    before = server.resident()
    command = load_command(hello, server, echoes) + ["--connections", str(count), "--hold"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        line = holder.stdout.readline()
        held = server.resident()
        holder.stdin.close()
    if holder.returncode != 0 or json.loads(line)["calls"] != count:
        raise Failed(f"memory: {json.loads(line)['why'] if line else 'connections were refused'}")
    return {"idle_mb": before / 1024, "connection_kb": (held - before) / count}
