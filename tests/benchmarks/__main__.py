"""`make bench`: all measurements; ARGS="documents" or "pipeline" for one of them."""

import sys

from tests.benchmarks import documents, pipeline

KINDS = {"documents": documents.run, "pipeline": pipeline.run}

for name in sys.argv[1:] or KINDS:
    KINDS[name]()
