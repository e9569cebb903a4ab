"""connectrpc's conformance suite in its two modes. In `server` its clients call Moonwire, in `client` mw.client calls
its servers. adapter.py speaks its protocol."""

import os
import pathlib
import re
import shutil

from tools import MOONWIRE, ROOT, TOOLS, install, module, run

VERSION = "v1.0.7"
FOLDER = pathlib.Path(__file__).parent / "connect"


def project():
    """A folder with the handlers of both modes and the suite's .proto files."""
    folder = TOOLS / "connect"
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("lua", "proto"):
        shutil.copytree(FOLDER / name, folder / name)
    contracts = module(f"connectrpc.com/conformance@{VERSION}") / "proto" / "connectrpc"
    for path in contracts.rglob("*.proto"):
        copy = folder / "proto" / "connectrpc" / path.relative_to(contracts)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    return folder


def known(kind, mode, engine):
    """Reads the list of cases that fail or may fail. Returns it, and its comment lines that docs/engines.md lacks."""
    path = FOLDER / f"{kind}-{mode}-{engine}.txt"
    if not path.exists():
        return [], []
    docs = " ".join((ROOT / "docs" / "engines.md").read_text().split())
    reasons = [line[2:] for line in path.read_text().splitlines() if line.startswith("# ")]
    return [f"--known-{kind}", f"@{path}"], [reason for reason in reasons if reason not in docs]


def connect(engine, results):
    program, folder = install(f"connectrpc.com/conformance/cmd/connectconformance@{VERSION}"), project()
    environment = {**os.environ, "MOONWIRE": MOONWIRE, "ENGINE": engine, "CONNECT_PROJECT": str(folder)}
    for mode in ("server", "client"):
        failing, undocumented = known("failing", mode, engine if mode == "server" else "core")
        flaky, more = known("flaky", mode, engine if mode == "server" else "core")
        status, output = run([program, "--conf", FOLDER / "config.yaml", "--mode", mode, *failing, *flaky, "--",
                              FOLDER / "adapter.py", mode], timeout=300, env=environment)
        counts = re.search(r"^(\d+) passed, (\d+) failed$", output, re.MULTILINE)
        passed, failed = map(int, counts.groups()) if counts else (0, 1)
        expected = re.search(r"Another (\d+) failed as expected", output)
        for reason in undocumented + more:
            failed, output = failed + 1, f"{output}\nnot in docs/engines.md: {reason}"
        if status != 0 and not failed:
            failed = 1
        results.add(mode, engine, passed, failed, int(expected.group(1)) if expected else 0, output)
