"""usage: crash.py [--cycles N]

Kills the server under writes, repeatedly, and checks durability: after each restart every acknowledged task exists as
it was acknowledged, and no id has been given out twice. Reports each cycle as a test, in TAP.
"""

import argparse
import pathlib
import random
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).parent / "python"))

import grpc  # noqa: E402
from harness import TIMEOUT, Server, stubs  # noqa: E402

pb, services = stubs("tasks")
WRITERS = 8


class Writer(threading.Thread):
    """Creates tasks and updates some of them until the server is gone. Records the acknowledged ones."""

    def __init__(self, address, label, pace):
        super().__init__()
        self.address, self.label, self.pace = address, label, pace
        self.created = {}  # id: the task
        self.updated = {}  # id: possible statuses: acknowledged, or sent without an answer

    def run(self):
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        with grpc.insecure_channel(self.address, options=options) as channel:
            stub = services.TaskServiceStub(channel)
            number = 0
            try:
                while True:
                    number += 1
                    task = stub.CreateTask(pb.CreateTaskRequest(title=f"{self.label}.{number}"), timeout=TIMEOUT)
                    self.created[task.id] = task
                    self.updated[task.id] = {pb.TODO}
                    self.pace.release()
                    if number % 3 == 0:
                        self.updated[task.id] = {pb.TODO, pb.DONE}
                        stub.UpdateStatus(pb.UpdateStatusRequest(id=task.id, status=pb.DONE), timeout=TIMEOUT)
                        self.updated[task.id] = {pb.DONE}
            except grpc.RpcError as error:
                self.end = error
        self.pace.release()


def kill_under_writes(data, cycle, rng):
    """Starts a server, kills it, and returns the tasks that it has acknowledged."""
    server = Server(data=data)
    pace = threading.Semaphore(0)
    writers = [Writer(server.address, f"{cycle}.{n}", pace) for n in range(WRITERS)]
    for writer in writers:
        writer.start()
    for _ in range(rng.randrange(1, 60)):  # number of acknowledged tasks before the kill
        pace.acquire()
    server.kill()
    for writer in writers:
        writer.join()
        if writer.end.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
            raise AssertionError(f"a write failed before the kill: {writer.end}\n{server.logged()}")
    return writers


def check(known, statuses, tasks):
    """Returns the first error in the tasks of a restarted server, in words, or None."""
    found = {task.id: task for task in tasks}
    if len(found) != len(tasks):
        return "an id is there twice"
    for one, task in known.items():
        if one not in found:
            return f"{one} was acknowledged and is lost"
        if found[one].status not in statuses[one]:
            return f"{one} lost its status: it is {found[one].status}, not one of {statuses[one]}"
        if (found[one].title, found[one].created_at) != (task.title, task.created_at):
            return f"{one} is not the task that was acknowledged"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cycles", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options = parser.parse_args()
    print(f"# seed {options.seed}")
    print(f"1..{options.cycles}")
    rng = random.Random(options.seed)
    known, statuses, failures = {}, {}, 0
    with tempfile.TemporaryDirectory() as data:
        for cycle in range(1, options.cycles + 1):
            wrong = None
            for writer in kill_under_writes(data, cycle, rng):
                again = known.keys() & writer.created.keys()
                if again:
                    wrong = f"{again.pop()} was given out twice"
                known.update(writer.created)
                statuses.update(writer.updated)
            server = Server(data=data)
            with grpc.insecure_channel(server.address) as channel:
                tasks = list(services.TaskServiceStub(channel).ListTasks(pb.ListTasksRequest(), timeout=TIMEOUT))
            server.kill()
            wrong = wrong or check(known, statuses, tasks)
            failures += wrong is not None
            print(f"{'not ok' if wrong else 'ok'} {cycle} - {wrong or f'{len(known)} acknowledged tasks are there'}",
                  flush=True)
    return 1 if failures else 0


sys.exit(main())
