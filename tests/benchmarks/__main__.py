"""`make bench`: all measurements; ARGS="documents" or another of KINDS for some of them."""

import sys
from importlib import import_module

KINDS = ("documents", "pipeline", "growth", "limits", "waiting", "counts", "sealing", "scale")

for name in sys.argv[1:] or KINDS:
    if name not in KINDS:
        sys.exit(f"there is no measurement {name}; there are: {', '.join(KINDS)}")
    import_module(f"tests.benchmarks.{name}").run()
