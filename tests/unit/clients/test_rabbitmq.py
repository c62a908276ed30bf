"""A broker that speaks AMQP: what waits in it, and what is said where nobody answers."""

import doctest

import pytest

from workflow.clients import rabbitmq as module
from workflow.errors import Misconfigured


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(module).failed == 0


def test_a_broker_that_is_away_is_one_line_without_its_password() -> None:
    with pytest.raises(
        Misconfigured, match=r"broker-unavailable: the broker at 127\.0\.0\.1 does not answer"
    ) as raised:
        module.waiting("amqp://nfe:secret@127.0.0.1:1/nfe", "nfe")
    assert "secret" not in str(raised.value)
    assert "NFE_BROKER_URL" in str(raised.value)
