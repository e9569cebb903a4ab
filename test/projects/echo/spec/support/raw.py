"""Makes calls with malformed bytes. Usage: raw.py ADDRESS, then on each line of stdin a path and one or more messages
in hex, "-" for an empty one. Answers each line with the code and message of the status."""

import sys

import grpc

channel = grpc.insecure_channel(sys.argv[1])
for line in sys.stdin:
    path, *messages = line.split()
    requests = [bytes.fromhex("" if hex == "-" else hex) for hex in messages]
    call = channel.stream_stream(path)(iter(requests), timeout=30)
    try:
        for _ in call:
            pass
    except grpc.RpcError:
        pass
    print(call.code().name, (call.details() or "").replace("\n", " "), flush=True)
