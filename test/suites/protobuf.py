"""protobuf's conformance runner, in the release of the system's libprotobuf and protoc. It is built with jsoncpp from
the source in the Go module of that release."""

import os
import pathlib
import re
import shutil
import tempfile

from tools import TOOLS, Server, module, run, setup

FOLDER = pathlib.Path(__file__).parent / "protobuf"
RUNNER = ["conformance_test", "conformance_test_main", "conformance_test_runner", "binary_json_conformance_suite",
          "text_format_conformance_suite"]
CONTRACTS = ["google/protobuf/test_messages_proto2.proto", "google/protobuf/test_messages_proto3.proto"]
FLAGS = ["-O0", "-w", "-I.", "-I/usr/include/jsoncpp"]


def source():
    """The folder of the release's source. None for a release without such a module, or from 22 on, where the runner has
    more dependencies."""
    version = re.search(r"3\.\d+\.\d+", run(["protoc", "--version"])[1])
    return version and module(f"github.com/protocolbuffers/protobuf@v{version.group()}+incompatible")


def build(protobuf):
    folder = TOOLS / "protobuf"
    runner = folder / "runner"
    if runner.exists():
        return runner
    print("conformance: g++ conformance_test_runner", flush=True)
    (folder / "third_party" / "jsoncpp").mkdir(parents=True, exist_ok=True)
    (folder / "third_party" / "jsoncpp" / "json.h").write_text("#include <json/json.h>\n")
    failed = "protobuf's conformance runner cannot be built"
    setup(["protoc", f"-I{protobuf}/src", f"-I{protobuf}/conformance", "--cpp_out=.", "conformance.proto", *CONTRACTS],
          failed, cwd=folder)
    generated = ["conformance.pb.cc", *(name.replace(".proto", ".pb.cc") for name in CONTRACTS)]
    setup(["g++", *FLAGS, f"-I{protobuf}/conformance", "-idirafter", protobuf / "src", "-o", "runner",
           *(protobuf / "conformance" / f"{name}.cc" for name in RUNNER), *generated, "-lprotobuf", "-ljsoncpp",
           "-lpthread"],
          failed, cwd=folder)
    return runner


def project(protobuf, folder):
    """Fills `folder` with the handler and the suite's .proto files."""
    for name in ("lua", "proto"):
        shutil.copytree(FOLDER / name, folder / name)
    (folder / "proto" / "google" / "protobuf").mkdir(parents=True)
    shutil.copyfile(protobuf / "conformance" / "conformance.proto", folder / "proto" / "conformance.proto")
    for name in CONTRACTS:
        shutil.copyfile(protobuf / "src" / name, folder / "proto" / name)
    return folder


def protobuf(engine, results):
    release = source()
    if not release:
        results.add("binary and JSON", engine, 0, 0, 1)
        return
    runner = build(release)
    with tempfile.TemporaryDirectory() as folder:
        with Server(engine, project(release, pathlib.Path(folder))) as server:
            status, output = run([runner, "--enforce_recommended", "--output_dir", folder, FOLDER / "testee.py"],
                                 env={**os.environ, "TESTEE_ADDRESS": server.address})
    counts = re.search(r"SUITE \w+: (\d+) successes, (\d+) skipped, 0 expected failures, (\d+) unexpected", output)
    passed, skipped, failed = map(int, counts.groups()) if counts else (0, 0, 1)
    results.add("binary and JSON", engine, passed, failed or int(status != 0), skipped, output)
