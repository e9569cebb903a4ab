#!/usr/bin/python3
"""usage: testee.py

protobuf's conformance runner starts it. It reads each request on stdin (a length of four bytes, little-endian, and the
message), passes it to the server at TESTEE_ADDRESS, and writes the answer in the same form."""

import os
import sys

import grpc

with grpc.insecure_channel(os.environ["TESTEE_ADDRESS"], [("grpc.max_receive_message_length", -1)]) as channel:
    run = channel.unary_unary("/testee.Testee/Run")  # bytes to bytes
    while len(head := sys.stdin.buffer.read(4)) == 4:
        response = run(sys.stdin.buffer.read(int.from_bytes(head, "little")), timeout=60)
        sys.stdout.buffer.write(len(response).to_bytes(4, "little") + response)
        sys.stdout.buffer.flush()
