"""usage: server.py HOST:PORT   prints "listening on HOST:PORT" when it is ready

race.Race on Python's grpcio, with a pool of threads: it is faster than asyncio here.
"""

import sys
from concurrent import futures

import grpc

import race_pb2
import race_pb2_grpc


class Race(race_pb2_grpc.RaceServicer):
    def Hello(self, request, context):
        return race_pb2.HelloReply(text=f"Hello {request.name}!")

    def Echo(self, request, context):
        return race_pb2.Document(title=request.title, text=request.text, tags=request.tags)

    def List(self, request, context):
        for number in range(1, request.count + 1):
            yield race_pb2.Item(number=number, text=request.text)

    def Upload(self, request_iterator, context):
        return race_pb2.UploadReply(bytes=sum(len(chunk.data) for chunk in request_iterator))

    def PingPong(self, request_iterator, context):
        yield from request_iterator


def serve(address):
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=10))
    race_pb2_grpc.add_RaceServicer_to_server(Race(), server)
    port = server.add_insecure_port(address)
    server.start()
    print(f"listening on 127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


if len(sys.argv) != 2:
    sys.exit("usage: server.py HOST:PORT")
serve(sys.argv[1])
