"""The workloads of the race, run by its load generator, build-bench/bench/load."""

import json
import math
import subprocess
from dataclasses import dataclass

import grpc

from race import BUILD, LOAD_CORE, SERVICE
from race.process import Failed
from race.stubs import stubs

race, _ = stubs("race", SERVICE)
tasks, task_services = stubs("tasks")
telemetry, _ = stubs("telemetry")
fileupload, _ = stubs("fileupload")
LOAD = BUILD / "bench" / "load"
FILES = BUILD / "messages"
ITEMS, CHUNKS, CHUNK, TURNS = 1000, 256, 16 << 10, 1000
TASKS, DONE_OF = 10_000, 10  # tasks of the task service, and the share of them that is DONE: one in DONE_OF
SUBSCRIBERS = 1000

HELLO = race.HelloRequest(name="World")
GREETING = race.HelloReply(text="Hello World!")
DOCUMENT = race.Document(title="The quick brown fox", text="It jumps over the lazy dog. " * 360, tags=["fox", "dog"])
LIST = race.ListRequest(count=ITEMS, text="a message of a stream, as most are")
LISTED = sum(5 + race.Item(number=n + 1, text=LIST.text).ByteSize() for n in range(ITEMS))
ITEM = race.Item(number=42, text="a message of a stream, as most are")
PUBLISHED = race.Item(number=42, text="x" * 96)
TASK = tasks.CreateTaskRequest(title="Write the quarterly report", description="With figures.", priority=tasks.HIGH)
REPORT = telemetry.MetricsPayload(service_name="web", cpu_usage=42.5, memory_mb=1024, timestamp_ms=1_700_000_000_000)
UPLOAD = [fileupload.FileChunk(filename="race.bin", data=bytes(CHUNK), chunk_index=number, is_last=number == CHUNKS - 1)
          for number in range(CHUNKS)]


@dataclass
class Workload:
    name: str
    title: str
    method: str  # of race.Race, or "package.Service/Method"
    request: object  # a message, or a list of them that are sent once
    reply: object = None  # every expected reply message
    reply_bytes: int = 0  # if replies differ: expected bytes of all replies of a call; 0: any number
    sends: int = 1
    receives: int = 1
    window: int = 0  # messages of a call that may be without their reply; 0: any number
    cancel: bool = False  # the client ends each call
    publish: object = None  # the message that a call of Publish sends for all calls to receive
    suite: str = "race"  # or "services": tasks, telemetry, uploads
    connections: int = 1
    streams: int = 1
    unit: str = "calls"  # counted unit: calls, received or sent (messages), sent_bytes
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
             sends=TURNS, receives=TURNS, window=1, unit="received", shown="latency"),
    Workload("relay", "bidirectional echo, one stream, 64 messages in flight", "PingPong", ITEM, ITEM, sends=TURNS,
             receives=TURNS, window=64, unit="received"),
    Workload("fanout", f"one publisher, {SUBSCRIBERS:,} subscribers on 10 connections, 100 bytes a message",
             "Subscribe", race.ListRequest(), PUBLISHED, receives=0, cancel=True, publish=PUBLISHED, window=8,
             connections=10, streams=SUBSCRIBERS // 10, unit="received"),
    Workload("single", "unary, one connection, one call at a time", "Hello", HELLO, GREETING, shown="latency"),
    Workload("paced", "unary at half of each one's own peak, 10 connections, at a fixed rate", "Hello", HELLO, GREETING,
             connections=10, shown="latency", of_peak=0.5),
    Workload("get-task", f"GetTask of {TASKS:,}, 10 connections of 50 calls each", "tasks.TaskService/GetTask",
             tasks.GetTaskRequest(id="task-0500"), connections=10, streams=50, suite="services"),
    Workload("list-tasks", f"ListTasks of {TASKS:,}, 4 connections of one call", "tasks.TaskService/ListTasks",
             tasks.ListTasksRequest(), receives=TASKS, connections=4, unit="received", suite="services"),
    Workload("list-done", f"ListTasks of the {TASKS // DONE_OF:,} of {TASKS:,} that are DONE, a message sent",
             "tasks.TaskService/ListTasks", tasks.ListTasksRequest(status_filter=tasks.DONE), receives=TASKS // DONE_OF,
             connections=4, unit="received", suite="services"),
    Workload("subscribe", f"Subscribe, {SUBSCRIBERS:,} streams on 10 connections, a message each 500 ms",
             "telemetry.TelemetryService/Subscribe", telemetry.MetricsRequest(service_name="web", interval_ms=500),
             receives=0, cancel=True, connections=10, streams=SUBSCRIBERS // 10, unit="received", suite="services"),
    Workload("live-feed", f"LiveFeed, {TURNS:,} reports a call without an alert, 10 connections of one call",
             "telemetry.TelemetryService/LiveFeed", REPORT, sends=TURNS, receives=0, connections=10, unit="sent",
             suite="services"),
    Workload("files", f"Upload of files of {CHUNKS * CHUNK >> 20} MB in chunks of {CHUNK >> 10} KB, 4 connections",
             "fileupload.FileUploadService/Upload", UPLOAD, connections=4, unit="sent_bytes", suite="services"),
    Workload("create-task", "CreateTask, 10 connections of 50 calls each", "tasks.TaskService/CreateTask", TASK,
             connections=10, streams=50, suite="services"),
]


def message_file(message):
    """Writes the message's bytes to a file; equal messages share one. Returns its path."""
    FILES.mkdir(parents=True, exist_ok=True)
    data = message.SerializeToString()
    path = FILES / f"{message.DESCRIPTOR.name}-{len(data)}"
    path.write_bytes(data)
    return path


def frames_file(messages):
    """Writes messages to a file, each with gRPC's prefix. Returns its path."""
    FILES.mkdir(parents=True, exist_ok=True)
    bodies = [message.SerializeToString() for message in messages]
    path = FILES / f"{messages[0].DESCRIPTOR.name}-{len(bodies)}-frames"
    path.write_bytes(b"".join(b"\0" + len(body).to_bytes(4, "big") + body for body in bodies))
    return path


def request_options(workload):
    if isinstance(workload.request, list):
        return ["--request-frames", frames_file(workload.request)]
    return ["--request", message_file(workload.request)]


def reply_options(workload, echoes):
    reply = workload.request if echoes and workload.method == "Hello" else workload.reply
    if reply:
        return ["--reply", message_file(reply)]
    return ["--reply-bytes", workload.reply_bytes] if workload.reply_bytes else ["--unchecked"]


def load_command(workload, server, echoes=False):
    method = workload.method if "/" in workload.method else f"race.Race/{workload.method}"
    command = ["taskset", "-c", LOAD_CORE, LOAD, server.address, f"/{method}", "--sends", workload.sends,
               "--receives", workload.receives, "--window", workload.window, "--connections", workload.connections,
               "--streams", workload.streams, "--server-pid", server.pid]
    command += request_options(workload) + reply_options(workload, echoes)
    command += ["--cancel"] if workload.cancel else []
    if workload.publish:
        command += ["--publish", "/race.Race/Publish", "--publish-request", message_file(workload.publish)]
    return list(map(str, command))


def add_tasks(server):
    """Fills the task service: TASKS tasks, of which one in DONE_OF is DONE."""
    with grpc.insecure_channel(server.address) as channel:
        stub = task_services.TaskServiceStub(channel)
        for number in range(TASKS):
            task = stub.CreateTask(TASK)
            if number % DONE_OF == 0:
                stub.UpdateStatus(tasks.UpdateStatusRequest(id=task.id, status=tasks.DONE))


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
