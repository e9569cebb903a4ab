"""The modules of bench/run."""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build-bench"
SERVICE = ROOT / "bench" / "service"  # Moonwire's project folder; its race.proto is for all servers
SERVER_CORE, LOAD_CORE = "0", "1"
