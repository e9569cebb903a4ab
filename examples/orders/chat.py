"""Talks about an order: sends the lines of standard input, prints what everybody says.

usage: chat.py HOST:PORT ORDER-ID NAME
"""

import sys

import grpc

import orders_pb2 as orders
import orders_pb2_grpc


def lines(order_id, sender):
    yield orders.ChatMessage(order_id=order_id, sender=sender, text="is here")
    for line in sys.stdin:
        yield orders.ChatMessage(order_id=order_id, sender=sender, text=line.rstrip("\n"))


def main(address, order_id, sender):
    with grpc.insecure_channel(address) as channel:
        stub = orders_pb2_grpc.OrderServiceStub(channel)
        for message in stub.Chat(lines(order_id, sender)):
            print(f"{message.sender}: {message.text}", flush=True)


if len(sys.argv) != 4:
    sys.exit(__doc__)
main(*sys.argv[1:])
