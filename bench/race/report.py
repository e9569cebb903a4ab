"""Reports: tables for people, and JSON."""

import functools
import json
import os
import platform
import re

from race.workloads import WORKLOADS

UNITS = {  # unit: (heading of the rate, divisor, heading of the CPU time, divisor)
    "calls": ("calls/s", 1, "us/call", 1),
    "received": ("messages/s", 1, "us/message", 1),
    "sent": ("messages/s", 1, "us/message", 1),
    "sent_bytes": ("MB/s", 1e6, "us/MB", 1e-6),
}
BUSY = 0.95  # share of its core at which the client is the bottleneck


def spread(share):
    return f"{share * 100:3.0f}%"


def print_rates(workload, summary):
    rate_head, rate_unit, cpu_head, cpu_unit = UNITS[workload.unit]
    print(f"  {'':<16}{rate_head:>12} {'spread':>6}{cpu_head:>12} {'spread':>6}{'p50 us':>10}{'p99 us':>10}  client")
    for server, row in summary.items():
        if "error" in row:
            continue
        mark = "*" if row["busy"] > BUSY else ""
        print(f"  {server:<16}{row['rate'] / rate_unit:>12,.0f} {spread(row['rate_spread']):>6}"
              f"{row['cpu'] / cpu_unit:>12,.2f} {spread(row['cpu_spread']):>6}"
              f"{row['p50_us']:>10,.0f}{row['p99_us']:>10,.0f}  {row['busy'] * 100:3.0f}%{mark}")
    costs = [(row["load_cpu"], server) for server, row in summary.items() if "error" not in row]
    if costs:
        cost, server = min(costs)
        print(f"  The client spends {cost / cpu_unit:,.2f} {cpu_head} (with {server}): it ends at "
              f"{1e6 / cost / rate_unit:,.0f} {rate_head}.")


def print_latencies(workload, summary):
    print(f"  {'':<16}{'p50 us':>10} {'spread':>6}{'p99 us':>10} {'spread':>6}{'p99.9 us':>10}"
          f"{'per s':>11}{'CPU us':>10}")
    for server, row in summary.items():
        if "error" in row:
            continue
        late = "  (cannot keep it up)" if row.get("asked", 0) * 0.98 > row["rate"] else ""
        print(f"  {server:<16}{row['p50_us']:>10,.1f} {spread(row['p50_us_spread']):>6}"
              f"{row['p99_us']:>10,.1f} {spread(row['p99_us_spread']):>6}{row['p999_us']:>10,.1f}"
              f"{row['rate']:>11,.0f}{row['cpu']:>10.2f}{late}")


SHOWN = {"rate": print_rates, "latency": print_latencies}


def print_memory(summary):
    print(f"  {'':<16}{'idle MB':>12} {'spread':>6}{'KB/connection':>16} {'spread':>6}")
    for server, row in summary.items():
        if "error" in row:
            continue
        print(f"  {server:<16}{row['idle_mb']:>12,.1f} {spread(row['idle_mb_spread']):>6}"
              f"{row['connection_kb']:>16,.1f} {spread(row['connection_kb_spread']):>6}")


def print_start(summary):
    for server, row in summary.items():
        if "error" not in row:
            print(f"  {server:<16}{row['ms']:>12,.0f} ms {spread(row['ms_spread']):>6}")


def print_table(summary):
    """Prints a table for each workload. Returns True if no server failed."""
    blocks = [(workload.name, workload.title, functools.partial(SHOWN[workload.shown], workload))
              for workload in WORKLOADS]
    blocks += [("memory", "resident memory: idle, and for each of 1,000 connections", print_memory),
               ("start", "from the start to listening", print_start)]
    fine = True
    for name, title, show in blocks:
        if name not in summary:
            continue
        print(f"\n{name}: {title}")
        show(summary[name])
        for server, row in summary[name].items():
            if "error" in row:
                fine = False
                print(f"  {server:<16}  FAILED: {row['error']}")
    return fine


def print_goals(rows):
    if not rows:
        return
    print("\ngoals (of engine http unless another is named), with the least and the most of a round")
    for what, bound, goal, value, least, most in rows:
        met = value >= goal if bound == "at least" else value <= goal
        print(f"  {what:<70}{value:>7.2f}  ({least:.2f} to {most:.2f})   {bound} {goal:g}{'' if met else '   NOT MET'}")


def machine():
    model = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo").read())
    return {"cpu": model[1] if model else platform.machine(), "cores": os.cpu_count(),
            "kernel": platform.release(), "system": platform.freedesktop_os_release().get("PRETTY_NAME", "")}


def write_json(path, **document):
    document = {"machine": machine(), **document}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n")
