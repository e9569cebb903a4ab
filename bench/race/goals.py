"""Goals, as ratios of figures of one round, because the servers of a round had the same machine conditions."""

import statistics

PEERS = ("tonic", "grpc-go", "grpc-cpp", "grpc-js", "grpcio")
STREAMS = (("list", "server streaming", "messages", "message", 2), ("upload", "upload", "MB", "MB", 1.2))


def best_peer(medians, workload, name, best):
    rows = medians.get(workload, {})
    found = {peer: rows[peer][name] for peer in PEERS if name in rows.get(peer, {})}
    return best(found, key=found.get) if found else "none"


def goals(medians):
    """Yields (title, "at least" or "at most", goal, dividend, divisor); the last two are (workload, server, figure)."""
    us = "moonwire-http"
    yield ("unary, CPU per call: of limit's", "at most", 1.8, ("unary", us, "cpu"), ("unary", "limit", "cpu"))
    for peer, goal in (("grpc-cpp", 5), ("grpc-go", 3.5), ("tonic", 2.5), ("grpc-js", 15)):
        yield (f"unary, calls per second: of {peer}'s", "at least", goal,
               ("unary", us, "rate"), ("unary", peer, "rate"))
        yield (f"unary, CPU per call: {peer}'s, of ours", "at least", goal,
               ("unary", peer, "cpu"), ("unary", us, "cpu"))
    for workload, what, units, unit, goal in STREAMS:
        peer = best_peer(medians, workload, "rate", max)
        yield (f"{what}, {units} per second: of the best peer's ({peer})", "at least", goal,
               (workload, us, "rate"), (workload, peer, "rate"))
        peer = best_peer(medians, workload, "cpu", min)
        yield (f"{what}, CPU per {unit}: the best peer's ({peer}), of ours", "at least", goal,
               (workload, peer, "cpu"), (workload, us, "cpu"))
    yield ("ping-pong, p50: of limit's", "at most", 1.3, ("pingpong", us, "p50_us"), ("pingpong", "limit", "p50_us"))
    yield ("KB for an idle connection", "at most", 20, ("memory", us, "connection_kb"), None)
    yield ("unary on engine core, calls per second: of grpc-cpp's", "at least", 0.8,
           ("unary", "moonwire-core", "rate"), ("unary", "grpc-cpp", "rate"))


def values(results, place):
    """Returns the figure of each round; None for a round without it."""
    workload, server, name = place
    return [figures.get(name) for figures in results.get(workload, {}).get(server, [])]


def reached(results, medians):
    """Yields (title, bound, goal, median, least, most) of the rounds' ratios, for each goal that was measured."""
    for what, bound, goal, above, below in goals(medians):
        tops = values(results, above)
        bottoms = values(results, below) if below else [1] * len(tops)
        ratios = [top / bottom for top, bottom in zip(tops, bottoms) if top and bottom]
        if ratios:
            yield what, bound, goal, statistics.median(ratios), min(ratios), max(ratios)
