#!/usr/bin/env python3
"""usage: test/conformance.py [NAME=CLIENT]...

Runs third-party suites and clients against the server: h2spec; the gRPC interoperability cases in grpc-go's client,
which calls examples/interop; connectrpc's suite, with the server and with mw.client; grpcurl; clients of grpc-go and
grpc-java with health checking, while services come and go; protobuf's conformance runner. Missing ones are installed
into build/conformance: with Go, grpc-java with Maven. Without a JDK and Maven grpc-java is left out. CLIENT is another
interop client to run, of any implementation: all take the same options. Cases of connectrpc's suite that the C core
fails are in test/suites/connect and in docs/engines.md.

Prints a table and the failures, then "N passed, N failed". Exits with 1 unless all passed."""

import pathlib
import re
import shutil
import sys
import tempfile
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).parent / "suites"))
from connectrpc import connect
from grpcurl import grpcurl
from health import health
from protobuf import protobuf
from tools import ENGINES, ROOT, Results, Server, install, run

H2SPEC = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible"
GRPC_GO = "google.golang.org/grpc/interop/client@v1.85.0"

# Cases that need neither TLS nor accounts nor a load balancer. No client has all of them.
CASES = """empty_unary cacheable_unary large_unary client_compressed_unary server_compressed_unary client_streaming
  client_compressed_streaming server_streaming server_compressed_streaming ping_pong half_duplex empty_stream
  slow_consumer custom_metadata status_code_and_message special_status_message unimplemented_method
  unimplemented_service cancel_after_begin cancel_after_first_response timeout_on_sleeping_server
  concurrent_large_unary pick_first_unary rpc_soak channel_soak""".split()


def h2spec(program, server, engine, results):
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        _, output = run([program, "-h", server.host, "-p", server.port, "--strict", "-o", "5", "-j", report.name])
        try:
            suites = xml.etree.ElementTree.parse(report.name).getroot().iter("testsuite")
        except xml.etree.ElementTree.ParseError:
            return results.add("h2spec", engine, 0, 1, 0, output)
    for suite in suites:
        cases = list(suite.iter("testcase"))
        failed = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
        skipped = [case for case in cases if case.find("skipped") is not None]
        note = "\n".join(case.get("classname") + " " + "".join(case.itertext()) for case in failed)
        results.add(f"{suite.get('package').split('/')[0]} {suite.get('name')}", engine,
                    len(cases) - len(failed) - len(skipped), len(failed), len(skipped), note)


def interop(name, client, server, engine, results):
    for case in CASES:
        status, output = run([client, f"--server_host={server.host}", f"--server_port={server.port}",
                              f"--test_case={case}", "--soak_iterations=100", "--soak_overall_timeout_seconds=100",
                              "--soak_per_iteration_max_acceptable_latency_ms=5000"])
        if not re.search("unsupported test case", output, re.IGNORECASE):
            results.add(case, f"{name} {engine}", int(status == 0), int(status != 0), 0, output)


def main(others):
    if not shutil.which("go"):
        print("conformance: nothing was run: there is no Go here to install the suites with")
        return 1
    frames, cases, connectrpc, calls, checked = Results(), Results(), Results("known"), Results(), Results()
    messages = Results()
    h2spec_program = install(H2SPEC)
    clients = {"grpc-go": install(GRPC_GO), **dict(other.split("=", 1) for other in others)}
    for engine in ENGINES:
        with Server(engine, ROOT / "examples" / "interop") as server:
            if engine == "http":  # engine core has the HTTP/2 of the C core
                h2spec(h2spec_program, server, engine, frames)
            for name, client in clients.items():
                interop(name, client, server, engine, cases)
        connect(engine, connectrpc)
        grpcurl(engine, calls)
        health(engine, checked)
    protobuf(ENGINES[0], messages)  # independent of the engine
    if frames.rows:
        frames.print("h2spec --strict", ["http"])
    cases.print("gRPC interop cases", [f"{name} {engine}" for name in clients for engine in ENGINES], CASES)
    connectrpc.print("connectrpc's suite", ENGINES)
    calls.print("grpcurl", ENGINES)
    checked.print("clients with health checking", ENGINES)
    messages.print("protobuf's conformance runner", ENGINES[:1])
    every = (frames, cases, connectrpc, calls, checked, messages)
    passed, failed = sum(each.passed for each in every), sum(each.failed for each in every)
    print(f"\n{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


sys.exit(main(sys.argv[1:]))
