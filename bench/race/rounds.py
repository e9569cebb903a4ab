"""The race itself: rounds in which the servers take turns, so that a change of the machine's pace meets all of them."""

import statistics
import sys

from race.process import Failed
from race.workloads import WORKLOADS, connections_memory, run


def one_turn(contestant, chosen, seconds, warm):
    """Starts the server and measures what is chosen. Returns {workload: figures, or {"error": why}}."""
    turn = {}

    def measure(name, work):
        if name not in chosen or contestant.only and name not in contestant.only:
            return
        try:
            turn[name] = work()
        except Failed as why:
            turn[name] = {"error": str(why)}

    with contestant.start() as server:
        if "start" in chosen:
            turn["start"] = {"ms": server.start_seconds * 1000}
        measure("memory", lambda: connections_memory(server, contestant.echoes))
        for workload in WORKLOADS:
            peak = turn.get("unary", {}).get("rate", 0)
            if workload.of_peak and not peak:
                continue
            measure(workload.name, lambda: run(workload, server, seconds, warm, contestant.echoes, peak))
    return turn


def race(contestants, chosen, rounds, seconds, warm):
    """Returns {workload: {server: [figures of each round]}}."""
    results = {}
    for number in range(rounds):
        for contestant in contestants:
            print(f"\rround {number + 1} of {rounds}: {contestant.name:<20}", end="", file=sys.stderr, flush=True)
            try:
                turn = one_turn(contestant, chosen, seconds, warm)
            except Failed as why:
                turn = {name: {"error": str(why)} for name in chosen}
            for name, figures in turn.items():
                results.setdefault(name, {}).setdefault(contestant.name, []).append(figures)
    print("\r" + " " * 50 + "\r", end="", file=sys.stderr, flush=True)
    return results


def medians(rounds):
    """The median of each figure over a server's rounds, and its spread, (most - least) / median, as NAME_spread."""
    failed = [figures["error"] for figures in rounds if "error" in figures]
    if failed:
        return {"error": failed[0]}
    summary = {}
    for name in rounds[0]:
        values = [figures[name] for figures in rounds]
        if isinstance(values[0], str):
            continue
        middle = statistics.median(values)
        summary[name] = middle
        summary[f"{name}_spread"] = (max(values) - min(values)) / middle if middle else 0.0
    return summary
