"""`nfe metrics` and `nfe alerts`: what they print, what they return."""

# ruff: noqa: F811 - the fixtures are those of the other commands

import json
from importlib import resources

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.clients.conftest import Server, serve, server  # noqa: F401
from tests.unit.test_cli import Nfe, environment, nfe, seller, seller_file, store  # noqa: F401
from workflow.alert_book import AlertBook
from workflow.conditions import Condition, Severity
from workflow.store import Store


def test_the_numbers_are_told_also_while_the_broker_is_away(nfe: Nfe, seller: str) -> None:
    ran = nfe("metrics")
    assert ran.code == 0
    told = {family.name for family in text_string_to_metric_families(ran.out)}
    assert {"nfe_shipments", "nfe_certificate_seconds", "nfe_broker_up"} <= told


def test_the_dashboard_and_the_rules_are_printed_as_they_are_packaged(nfe: Nfe) -> None:
    folder = resources.files("workflow.data") / "observability"
    assert nfe("metrics", "--dashboard").out == (folder / "dashboard.json").read_text(encoding="utf-8")
    assert nfe("metrics", "--alerts").out == (folder / "alerts.yml").read_text(encoding="utf-8")
    assert nfe("metrics", "--dashboard", "--alerts").code == 2


def test_serving_needs_a_port(nfe: Nfe) -> None:
    nfe("metrics", "--serve").failed("no-metrics-port", "NFE_METRICS_PORT")


def test_alerts_need_an_address(nfe: Nfe) -> None:
    nfe("alerts").failed("no-alert-url", "NFE_ALERT_URL")


def test_what_goes_on_is_listed(nfe: Nfe, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NFE_ALERT_URL", "https://hooks.example/x")
    AlertBook(store).see(
        [Condition("person", Severity.WARNING, "3 wait", size=3)], kinds=(), again=store.now() - store.now()
    )
    assert "3 wait" in nfe("alerts").lines[1]
    (row,) = nfe("alerts", "--json").json()
    assert (row["key"], row["size"], row["told_at"]) == ("person", 3, None)


def test_a_test_message_is_taken_or_the_command_fails(
    nfe: Nfe, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NFE_ALERT_URL", server.url)
    server.answers(204).answers(404)
    ran = nfe("alerts", "--test")
    assert (ran.code, ran.lines) == (0, ["taken"])
    assert json.loads(server.seen[0].body)["data"]["kind"] == "test"
    nfe("alerts", "--test").failed("webhook-http-404")
