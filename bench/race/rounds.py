"""The race: the servers take turns within a round, so that a change of the machine's speed affects all of them."""

import statistics
import sys

from race.process import Failed
from race.workloads import WORKLOADS, add_tasks, connections_memory, run


def fresh(contestant, chosen):
    """Returns the measurements of a server that was just started."""
    turn = {}
    with contestant.start() as server:
        if "start" in chosen:
            turn["start"] = {"ms": server.start_seconds * 1000}
        if "memory" in chosen:
            turn["memory"] = attempt(connections_memory, server, contestant.echoes)
    return turn


def attempt(work, *arguments):
    try:
        return work(*arguments)
    except Failed as why:
        return {"error": str(why)}


def one_turn(contestant, chosen, seconds, warm):
    """Starts the server and runs the chosen measurements. Returns {workload: figures, or {"error": reason}}."""
    races = contestant.suite == "race"
    turn = fresh(contestant, chosen) if races and {"start", "memory"} & set(chosen) else {}
    workloads = [workload for workload in WORKLOADS if workload.name in chosen and contestant.supports(workload)]
    if not workloads:
        return turn
    with contestant.start() as server:
        if any(workload.suite == "services" for workload in workloads):
            add_tasks(server)
        if contestant.warm_up:
            attempt(run, WORKLOADS[0], server, contestant.warm_up, 0, contestant.echoes)
        for workload in workloads:
            peak = turn.get("unary", {}).get("rate", 0)
            if peak or not workload.of_peak:
                turn[workload.name] = attempt(run, workload, server, seconds, warm, contestant.echoes, peak)
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
    """Returns the median of each figure of a server's rounds; as NAME_spread its spread, (most - least) / median."""
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
