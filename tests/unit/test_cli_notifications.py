"""`nfe notifications`: from nothing to a subscription at the local Amazon, again, and away."""

# ruff: noqa: F811  the fixtures come from the other commands' tests

import json
from collections.abc import Iterator

import pytest

from tests.unit.test_cli import Nfe, environment, nfe, seller, seller_file  # noqa: F401
from workflow.sandbox.amazon_book import AmazonBook, AmazonSettings
from workflow.sandbox.faults import Fault
from workflow.sandbox.server import Started, start_amazon

ARN = "arn:aws:sqs:us-east-1:123456789012:nfe"
OTHER = ARN + "-other"


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Iterator[Started[AmazonBook]]:
    with start_amazon(settings=AmazonSettings(rate_plan=False)) as started:
        values = {"AMAZON_URL": started.url, "LWA_URL": f"{started.url}/auth/o2/token", "LWA_CLIENT_ID": "client"}
        for name, value in (values | {"LWA_CLIENT_SECRET": "s3cret"}).items():
            monkeypatch.setenv(f"NFE_{name}", value)
        yield started


@pytest.fixture
def notifications(nfe: Nfe, seller: str, amazon: Started[AmazonBook]) -> Nfe:
    """Run `nfe notifications …` for the seller."""
    return lambda command, *args: nfe("notifications", command, "--seller", seller, *args)


def counts(amazon: Started[AmazonBook]) -> tuple[int, int]:
    """Destinations and subscriptions at Amazon."""
    book = amazon.book.dump(requests=False)
    return len(book["destinations"]), len(book["subscriptions"])


def test_setup_prints_the_queues_policy_and_agrees_with_amazon(notifications: Nfe, amazon: Started[AmazonBook]) -> None:
    said = notifications("setup", "--queue-arn", ARN)
    assert said.code == 0, said.err
    policy, _ = json.JSONDecoder().raw_decode(said.out)
    assert policy["Statement"][0]["Resource"] == ARN
    assert "437568002678" in policy["Statement"][0]["Principal"]["AWS"]
    assert "kms:GenerateDataKey" in said.lines[-2]
    assert said.lines[-1].startswith("seller A1TESTSELLER: did: make the destination; subscribe the seller (")
    assert counts(amazon) == (1, 1)


def test_setup_again_changes_nothing(notifications: Nfe, amazon: Started[AmazonBook]) -> None:
    first = notifications("setup", "--queue-arn", ARN, "--json").json()
    again = notifications("setup", "--queue-arn", ARN, "--json").json()
    assert again["steps"] == []
    assert (again["destination_id"], again["subscription_id"]) == (first["destination_id"], first["subscription_id"])
    assert counts(amazon) == (1, 1)


def test_a_dry_run_only_asks(notifications: Nfe, amazon: Started[AmazonBook]) -> None:
    said = notifications("setup", "--queue-arn", ARN, "--dry-run")
    assert said.code == 0, said.err
    assert said.lines[-1] == (
        "seller A1TESTSELLER: would make the destination; subscribe the seller (destination -, subscription -)"
    )
    assert counts(amazon) == (0, 0)


def test_a_setup_whose_answer_was_lost_is_mended_by_the_next(notifications: Nfe, amazon: Started[AmazonBook]) -> None:
    amazon.book.faults.add(_fault("createDestination"))
    notifications("setup", "--queue-arn", ARN).failed("closed the connection")
    amazon.book.faults.add(_fault("createSubscription"))
    notifications("setup", "--queue-arn", ARN).failed("closed the connection")
    assert notifications("setup", "--queue-arn", ARN).code == 0
    assert counts(amazon) == (1, 1)


def _fault(operation: str) -> Fault:
    return Fault(operation=operation, kind="drop_after_processing")


def test_a_seller_whose_notifications_go_elsewhere_is_told(notifications: Nfe, amazon: Started[AmazonBook]) -> None:
    notifications("setup", "--queue-arn", ARN)
    notifications("setup", "--queue-arn", OTHER).failed("subscribed-elsewhere", "nfe notifications remove")
    assert counts(amazon) == (1, 1)


@pytest.mark.parametrize(("arn", "says"), [("nfe", "arn:aws:sqs:"), (ARN + ".fifo", "standard queues only")])
def test_an_arn_that_will_not_do_is_one_line(
    notifications: Nfe, amazon: Started[AmazonBook], arn: str, says: str
) -> None:
    notifications("setup", "--queue-arn", arn).failed("bad-arn", says)
    assert counts(amazon) == (0, 0)


def test_a_list_shows_where_the_sellers_notifications_go(notifications: Nfe) -> None:
    agreed = notifications("setup", "--queue-arn", ARN, "--json").json()
    [row] = notifications("list", "--json").json()
    assert row == {
        "id": agreed["destination_id"],
        "name": "nfe-workflow",
        "arn": ARN,
        "subscription": agreed["subscription_id"],
    }
    assert notifications("list").lines[0] == "id\tname\tarn\tsubscription"


def test_remove_ends_the_subscription_and_with_it_the_destination_when_told(
    notifications: Nfe, amazon: Started[AmazonBook]
) -> None:
    notifications("setup", "--queue-arn", ARN)
    assert notifications("remove").code == 0
    assert counts(amazon) == (1, 0)
    notifications("remove").failed("not-subscribed")
    notifications("setup", "--queue-arn", ARN)
    assert notifications("remove", "--destination").code == 0
    assert counts(amazon) == (0, 0)


def test_an_unknown_seller_is_one_line(nfe: Nfe, amazon: Started[AmazonBook]) -> None:
    nfe("notifications", "list", "--seller", "NOBODY").failed("unknown-seller", "nfe seller add")


def test_wrong_credentials_are_one_line_without_them(notifications: Nfe, amazon: Started[AmazonBook]) -> None:
    amazon.book.change({"clients": {"client": "another"}})
    said = notifications("list")
    said.failed("invalid-client")
    assert "s3cret" not in said.err
