"""usage: server.py HOST:PORT   prints "listening on HOST:PORT" when it is ready

race.Race on Python's grpcio, with asyncio.
"""

import asyncio
import sys

import grpc

import race_pb2
import race_pb2_grpc


class Race(race_pb2_grpc.RaceServicer):
    async def Hello(self, request, context):
        return race_pb2.HelloReply(text=f"Hello {request.name}!")

    async def Echo(self, request, context):
        return race_pb2.Document(title=request.title, text=request.text, tags=request.tags)

    async def List(self, request, context):
        for number in range(1, request.count + 1):
            yield race_pb2.Item(number=number, text=request.text)

    async def Upload(self, request_iterator, context):
        count = 0
        async for chunk in request_iterator:
            count += len(chunk.data)
        return race_pb2.UploadReply(bytes=count)

    async def PingPong(self, request_iterator, context):
        async for item in request_iterator:
            yield item


async def serve(address):
    server = grpc.aio.server()
    race_pb2_grpc.add_RaceServicer_to_server(Race(), server)
    port = server.add_insecure_port(address)
    await server.start()
    print(f"listening on 127.0.0.1:{port}", flush=True)
    await server.wait_for_termination()


if len(sys.argv) != 2:
    sys.exit("usage: server.py HOST:PORT")
asyncio.run(serve(sys.argv[1]))
