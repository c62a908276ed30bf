"""`make bench`: all measurements; ARGS="documents", "pipeline" or "growth" for some of them."""

import sys
from importlib import import_module

KINDS = ("documents", "pipeline", "growth")

for name in sys.argv[1:] or KINDS:
    if name not in KINDS:
        sys.exit(f"there is no measurement {name}; there are: {', '.join(KINDS)}")
    import_module(f"tests.benchmarks.{name}").run()
