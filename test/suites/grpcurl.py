"""Calls of grpcurl to the default services and examples/interop: by reflection, and by a .proto file."""

import re

from tools import ROOT, Server, install, run

PACKAGE = "github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3"
NOT_FOUND = 64 + 5  # grpcurl adds 64 to the code

# name: arguments before and after the address, exit status, patterns in the output
TASKS = {
    "list": ([], ["list"], 0, [r"^tasks\.TaskService$", r"^grpc\.health\.v1\.Health$"]),
    "list of a service": ([], ["list", "tasks.TaskService"], 0, [r"^tasks\.TaskService\.CreateTask$"]),
    "describe": ([], ["describe", "tasks.TaskService.CreateTask"], 0, [r"returns \( \.tasks\.Task \)"]),
    "describe of a message": ([], ["describe", "tasks.Task"], 0, [r"string title = \d+;"]),
    "a unary call": (["-d", '{"title": "grüß"}'], ["tasks.TaskService/CreateTask"], 0, [r'"title": "grüß"']),
    "a streamed reply": (["-d", "{}"], ["tasks.TaskService/ListTasks"], 0, [r'"title": "grüß"']),
    "an error": (["-d", '{"id": "none"}'], ["tasks.TaskService/GetTask"], NOT_FOUND,
                 [r"Code: NotFound", r"Message: .*none"]),
    "a .proto file": (["-import-path", str(ROOT / "proto"), "-proto", "tasks.proto", "-d", '{"title": "x"}'],
                      ["tasks.TaskService/CreateTask"], 0, [r'"title": "x"']),
    "health": ([], ["grpc.health.v1.Health/Check"], 0, [r'"status": "SERVING"']),
    "health of a service": (["-d", '{"service": "tasks.TaskService"}'], ["grpc.health.v1.Health/Check"], 0,
                            [r'"status": "SERVING"']),
}
INTEROP = {
    "a streamed request": (["-d", '{"payload": {"body": "AAAA"}} {"payload": {"body": "AA=="}}'],
                           ["grpc.testing.TestService/StreamingInputCall"], 0, [r'"aggregatedPayloadSize": 4']),
    "both streamed": (["-d", '{"response_parameters": [{"size": 3}]} {"response_parameters": [{"size": 6}]}'],
                      ["grpc.testing.TestService/FullDuplexCall"], 0, [r'"body": "AAAA"', r'"body": "AAAAAAAA"']),
    "metadata both ways": (["-v", "-H", "x-grpc-test-echo-initial: here", "-H", "x-grpc-test-echo-trailing-bin: AAEC",
                            "-d", "{}"], ["grpc.testing.TestService/UnaryCall"], 0,
                           [r"^x-grpc-test-echo-initial: here$", r"^x-grpc-test-echo-trailing-bin: AAEC$"]),
}


def grpcurl(engine, results):
    program = install(PACKAGE)
    for folder, cases in ((ROOT, TASKS), (ROOT / "examples" / "interop", INTEROP)):
        with Server(engine, folder) as server:
            for name, (before, after, expected, patterns) in cases.items():
                status, output = run([program, "-plaintext", *before, server.address, *after], timeout=30)
                missing = [pattern for pattern in patterns if not re.search(pattern, output, re.MULTILINE)]
                good = status == expected and not missing
                results.add(name, engine, int(good), int(not good), 0,
                            f"exit status {status}, expected {expected}; without {missing}:\n{output}")
