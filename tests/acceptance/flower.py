"""Flower by itself, as `nfe up flower` starts it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.acceptance.test_readme_walk import until
from workflow import parts
from workflow.parts import Part
from workflow.settings import Settings


@contextmanager
def running(settings: Settings, **environment: str) -> Iterator[str]:
    """Flower with these settings and further variables, until SIGTERM; its address. It logs into its data folder."""
    log = settings.data_dir / "flower.log"
    with log.open("ab") as file:
        process = subprocess.Popen(
            parts.argv(Part.FLOWER, settings),
            env=parts.environment(Part.FLOWER, settings) | environment,
            cwd=settings.data_dir,
            stdout=file,
            stderr=file,
        )
    try:
        until(lambda: parts.is_healthy(Part.FLOWER, settings), f"Flower: {log}")
        yield f"http://127.0.0.1:{settings.flower_port}"
    finally:
        process.terminate()
        process.wait(30)
