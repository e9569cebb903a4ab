"""Shared with the client tests: the path of moonwire ($MOONWIRE, or build/moonwire), and generated stubs."""

import sys

from race import ROOT

sys.path.insert(0, str(ROOT / "test" / "python"))

from harness import MOONWIRE, stubs  # noqa: E402

__all__ = ["MOONWIRE", "stubs"]
