"""What Moonwire wants to reach, as ratios within one run."""

PEERS = ("tonic", "grpc-go", "grpc-cpp", "grpc-js", "grpcio")


def figure(summary, workload, server, name):
    return summary.get(workload, {}).get(server, {}).get(name)


def ratio(a, b):
    return a / b if a and b else None


def best_peer(summary, workload, name, best):
    """The figure of the peer that has the best one, and its name."""
    figures = {peer: figure(summary, workload, peer, name) for peer in PEERS}
    found = {peer: value for peer, value in figures.items() if value}
    peer = best(found, key=found.get) if found else None
    return found.get(peer), peer


def goals(summary, engine="moonwire-http"):
    """(what, "at least" or "at most", goal, what it is or None when it was not measured)."""
    def of(workload, server, name):
        return figure(summary, workload, server, name)

    yield ("unary, CPU per call: of limit's", "at most", 1.8,
           ratio(of("unary", engine, "cpu"), of("unary", "limit", "cpu")))
    for peer, goal in (("grpc-cpp", 5), ("grpc-go", 3.5), ("tonic", 2.5), ("grpc-js", 15)):
        yield (f"unary, calls per second: times {peer}'s", "at least", goal,
               ratio(of("unary", engine, "rate"), of("unary", peer, "rate")))
        yield (f"unary, CPU per call: {peer}'s, of ours", "at least", goal,
               ratio(of("unary", peer, "cpu"), of("unary", engine, "cpu")))
    for workload, what, unit, goal in (("list", "server streaming", "message", 2), ("upload", "upload", "MB", 1.2)):
        rate, peer = best_peer(summary, workload, "rate", max)
        yield (f"{what}, {unit}s per second: times the best peer's ({peer})", "at least", goal,
               ratio(of(workload, engine, "rate"), rate))
        cpu, peer = best_peer(summary, workload, "cpu", min)
        yield (f"{what}, CPU per {unit}: the best peer's ({peer}), of ours", "at least", goal,
               ratio(cpu, of(workload, engine, "cpu")))
    yield ("ping-pong, p50: of limit's", "at most", 1.3,
           ratio(of("pingpong", engine, "p50_us"), of("pingpong", "limit", "p50_us")))
    yield ("KB for an idle connection", "at most", 20, of("memory", engine, "connection_kb"))
    yield ("unary on engine core, calls per second: of grpc-cpp's", "at least", 0.8,
           ratio(of("unary", "moonwire-core", "rate"), of("unary", "grpc-cpp", "rate")))
