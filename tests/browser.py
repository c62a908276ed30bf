"""The system's Chromium, for what a person sees: headless, with a profile of its own, and no word to the network."""

import shutil
import subprocess
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome")
#: As root Chromium starts without its sandbox only; nothing but the tests' own pages is opened.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def program() -> str | None:
    """A Chromium on PATH that starts; a distribution's stub for another package system does not."""
    for name in NAMES:
        path = shutil.which(name)
        if path and subprocess.run([path, "--version"], capture_output=True, timeout=60, check=False).returncode == 0:
            return path
    return None


@pytest.fixture(scope="session")
def chromium() -> Iterator["Browser"]:
    """A running browser; each context of it is a person with empty hands."""
    path = program()
    if path is None:
        pytest.skip(f"no Chromium on PATH: {', '.join(NAMES)}")
    from playwright.sync_api import sync_playwright  # a fifth of a second: most workers open no page

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()
