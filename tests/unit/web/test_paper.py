"""How moments and texts are written on the page."""

import doctest
from datetime import UTC, datetime

from workflow.web import paper


def test_the_examples_hold() -> None:
    assert doctest.testmod(paper).failed == 0


def test_a_moment_is_brasilias_with_the_exact_one_behind_it() -> None:
    at = datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)
    assert paper.moment(at) == '<time datetime="2026-11-22T01:02:03+00:00">21/11/2026 22:02:03</time>'
    assert paper.minute(at).endswith(">21/11/2026 22:02</time>")
    assert paper.moment(None) == ""


def test_a_segment_cannot_leave_its_place() -> None:
    assert paper.segment("../A B?c#d/e") == "..%2FA%20B%3Fc%23d%2Fe"
