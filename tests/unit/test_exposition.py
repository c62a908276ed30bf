"""What Prometheus reads: its own parser reads it too, and the dashboard and the alert rules ask for nothing else."""

import json
import math
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from workflow.clients.broker import BrokerStanding
from workflow.clients.counters import Counted
from workflow.clients.rate_limit import Level
from workflow.examination import BrokerFound, DatabaseFound
from workflow.exposition import MOST_CODES, MOST_SELLERS, exposition
from workflow.metrics import METRICS, STAGE_SECONDS, Tally
from workflow.models import NumberStatus
from workflow.purge import REMOVED
from workflow.standing import SellerStanding, Standing
from workflow.states import State

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
FOLDER = resources.files("workflow.data") / "observability"


def a_seller(number: int, stop_code: str | None = None, *, days: float = 100) -> SellerStanding:
    return SellerStanding(f"SELLER{number:04}", 1, "99999999000191", stop_code, NOW + timedelta(days=days))


def a_standing(**values: Any) -> Standing:
    nothing: dict[str, Any] = {
        "at": NOW, "shipments": {State.SUBMITTED: 3}, "oldest": {State.SUBMITTED: timedelta(seconds=90)},
        "stopped": {"unknown-sku": 2}, "for_person": 2, "due": 1, "oldest_due": timedelta(seconds=7),
        "accepted": timedelta(seconds=60), "sellers": [a_seller(1)], "numbers": {NumberStatus.UNUSED: 4},
    }  # fmt: skip
    return Standing(**nothing | values)


def an_examination(counts: dict[str, int] | None = None, *, away: bool = False, **values: Any) -> Any:
    """One whose answers are given."""
    finished = {State.ACCEPTED: 1000, State.CANCELLED: 5}
    database = DatabaseFound(0.01, True, a_standing(**values), finished)
    level = {"submitInvoice": Level(25, 0)}
    broker = BrokerFound(
        BrokerStanding(0.001, 2, 10_000, 0, "noeviction"), Counted(counts or {}, 2), timedelta(seconds=1),
        {"consulta": [timedelta(minutes=9)], "autorizacao": []}, level,
    )  # fmt: skip
    answers = (None, None) if away else (database, broker)
    return SimpleNamespace(**{
        name: SimpleNamespace(ask=lambda answer=answer: answer)
        for name, answer in zip(("database", "broker"), answers, strict=True)
    })  # fmt: skip


def samples(examination: Any) -> dict[tuple[str, tuple[str, ...]], float]:
    """Every sample by its name and its labels' values, in the labels' order."""
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(exposition(examination).decode())
        for sample in family.samples
    }


def everything() -> Any:
    """An examination in which every metric has a sample."""
    tally = Tally()
    for metric in METRICS.values():
        labels = ["x"] * len(metric.labels)
        tally.observe(metric, 1, *labels) if metric.bounds else tally.count(metric, *labels)
    return an_examination(tally.take(), sellers=[a_seller(1, "certificate-expired")])


# -- what is told -------------------------------------------------------------------------------------------


def test_what_the_database_and_the_broker_know_is_told() -> None:
    told = samples(an_examination())
    assert told["nfe_shipments", ("SUBMITTED",)] == 3
    assert told["nfe_shipments", ("ACCEPTED",)] == 1000
    assert told["nfe_oldest_due_seconds", ()] == 7
    assert told["nfe_shipments_for_person", ()] == 2
    assert told["nfe_certificate_seconds", ("SELLER0001",)] == 100 * 86400
    assert told["nfe_sefaz_blocked", ("consulta",)] == 1
    assert told["nfe_sefaz_blocked_seconds", ("consulta",)] == 540
    assert told["nfe_worker_processes", ()] == 2


def test_what_cannot_be_asked_is_missing_and_said_to_be_down() -> None:
    told = samples(an_examination(away=True))
    assert {name for name, _ in told} == {"nfe_build_info", "nfe_database_up", "nfe_broker_up"}
    assert told["nfe_database_up", ()] == told["nfe_broker_up", ()] == 0


def test_a_histogram_rises_to_its_count_and_has_the_sum() -> None:
    tally = Tally()
    for seconds in (0.001, 0.02, 0.02, 500):
        tally.observe(STAGE_SECONDS, seconds, "fetch")
    told = samples(an_examination(tally.take()))
    buckets = [told["nfe_stage_seconds_bucket", (f"{end}", "fetch")] for end in (0.005, 0.01, 0.025, 180.0, "+Inf")]
    assert buckets == [1, 1, 3, 3, 4]
    assert told["nfe_stage_seconds_count", ("fetch",)] == 4
    assert math.isclose(told["nfe_stage_seconds_sum", ("fetch",)], 500.041)


def test_what_has_not_happened_yet_is_told_as_nought_so_that_its_first_time_is_seen() -> None:
    assert samples(an_examination())["nfe_stage_outcomes_total", ("refused", "authorize")] == 0


def test_counts_of_another_version_are_left_out() -> None:
    told = samples(an_examination({"nfe_gone_total|x": 1, "nfe_stage_outcomes_total|too|many|labels": 1}))
    assert not [labels for name, labels in told if "gone" in name or "too" in labels]


def test_series_stay_few_however_many_sellers_and_codes_there_are() -> None:
    sellers = [a_seller(i, "certificate-expired", days=300 - i) for i in range(3 * MOST_SELLERS)]
    stopped = {f"code-{i}": i + 1 for i in range(3 * MOST_CODES)}
    told = samples(an_examination(sellers=sellers, stopped=stopped))
    names = [name for name, _ in told]
    assert names.count("nfe_seller_stopped") == names.count("nfe_certificate_seconds") == MOST_SELLERS
    assert ("nfe_certificate_seconds", ("SELLER0299",)) in told, "the first to end are told"
    assert names.count("nfe_shipments_stopped") == MOST_CODES + 1
    by_code = [value for (name, _), value in told.items() if name == "nfe_shipments_stopped"]
    assert sum(by_code) == sum(stopped.values())
    assert told["nfe_sellers_stopped", ()] == len(sellers)


def test_a_removed_seller_waits_for_nobody() -> None:
    assert samples(an_examination(sellers=[a_seller(1, REMOVED)]))["nfe_sellers_stopped", ()] == 0


# -- who reads it -------------------------------------------------------------------------------------------


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text(encoding="utf-8"))
    return found


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def asked() -> list[str]:
    """Every question that the dashboard or a rule asks."""
    return [rule["expr"] for rule in rules()] + [target["expr"] for panel in panels() for target in panel["targets"]]


def selectors(node: Any) -> Iterator[Any]:
    """Every selector of a parsed question."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "args", "param"):
        inner = getattr(node, name, None)
        for one in inner if isinstance(inner, list) else [inner]:
            if one is not None and not isinstance(one, str):
                yield from selectors(one)


@pytest.mark.parametrize("question", sorted(set(asked())))
def test_what_the_dashboard_and_the_rules_ask_for_is_told_with_these_labels(question: str) -> None:
    told: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(exposition(everything()).decode()):
        for sample in family.samples:
            told.setdefault(sample.name, set()).update(sample.labels)
    found = list(selectors(promql_parser.parse(question)))
    assert found
    for selector in found:
        assert selector.name in told
        assert {matcher.name for matcher in selector.matchers.matchers} <= told[selector.name]
    grouped = {label for group in re.findall(r"by \(([^)]*)\)", question) for label in group.split(", ")}
    assert grouped <= set().union(*(told[selector.name] for selector in found))


def test_every_metric_is_used_by_the_dashboard_or_a_rule() -> None:
    names = {selector.name for question in asked() for selector in selectors(promql_parser.parse(question))}
    names = {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}
    told = {family.name for family in text_string_to_metric_families(exposition(everything()).decode())}
    assert {name for name in told if name not in names and f"{name}_total" not in names} <= {"nfe_sellers"}


def test_the_readme_names_every_metric_and_no_other() -> None:
    named = set(re.findall(r"`(nfe_\w+)`", README.split("### Metrics", 1)[1].split("### ", 1)[0]))
    told = text_string_to_metric_families(exposition(everything()).decode())
    assert named == {family.name + ("_total" if family.type == "counter" else "") for family in told}


def test_the_dashboard_is_one_that_grafana_loads() -> None:
    found = dashboard()
    assert {"title", "uid", "schemaVersion", "panels", "templating", "time"} <= set(found)
    assert "id" not in found, "Grafana numbers an import itself"
    (variable,) = found["templating"]["list"]
    assert (variable["type"], variable["query"]) == ("datasource", "prometheus")
    ids = [panel["id"] for panel in found["panels"]]
    assert len(ids) == len(set(ids))
    for panel in panels():
        assert panel["datasource"]["uid"] == f"${{{variable['name']}}}"
        assert panel["title"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(refs) == len(set(refs)) > 0
        for label in re.findall(r"{{(\w+)}}", " ".join(target["legendFormat"] for target in panel["targets"])):
            assert any(label in target["expr"] or label in ("state", "code", "operation", "service", "status")
                       for target in panel["targets"])  # fmt: skip


def test_no_two_panels_lie_over_each_other() -> None:
    cells = [
        (x, y)
        for panel in dashboard()["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert {x for x, _ in cells} == set(range(24))


def test_each_rule_says_how_urgent_it_is_and_what_to_do() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert set(rule["annotations"]) == {"summary", "description"}


@pytest.fixture
def promtool() -> str:
    """Prometheus' own checker."""
    return shutil.which("promtool") or pytest.skip("no promtool here; Debian's package prometheus has it")


def test_prometheus_takes_the_rules_and_the_dashboards_questions(promtool: str, tmp_path: Path) -> None:
    questions = [{"record": f"panel:{i}", "expr": question} for i, question in enumerate(sorted(set(asked())))]
    (tmp_path / "panels.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": questions}]}))
    (tmp_path / "alerts.yml").write_text((FOLDER / "alerts.yml").read_text(encoding="utf-8"))
    files = [str(tmp_path / "alerts.yml"), str(tmp_path / "panels.yml")]
    done = subprocess.run([promtool, "check", "rules", *files], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    text = exposition(everything())
    done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


#: Series in Prometheus' notation, and the alerts that fire after some hours of them.
CASES: list[tuple[dict[str, str], set[str]]] = [
    ({"nfe_build_info": "1+0x60"}, set()),
    ({}, {"NfeMetricsMissing"}),
    ({"nfe_build_info": "1+0x60", "nfe_database_up": "0+0x60"}, {"NfeDatabaseDown"}),
    ({"nfe_build_info": "1+0x60", "nfe_broker_up": "1+0x60"}, {"NfeNobodySweeps"}),
    ({"nfe_build_info": "1+0x60", "nfe_broker_up": "1+0x60", "nfe_last_sweep_seconds": "1+0x60"}, set()),
    ({"nfe_build_info": "1+0x60", 'nfe_certificate_seconds{seller="A"}': "600000+0x60"}, {"NfeCertificateEndsThisWeek"}),
    ({"nfe_build_info": "1+0x60", 'nfe_certificate_seconds{seller="A"}': "-3+0x60"}, {"NfeCertificateEndsToday"}),
    ({"nfe_build_info": "1+0x60", "nfe_shipments_on_their_way": "4+0x60"}, {"NfeNothingAccepted"}),
    (
        {"nfe_build_info": "1+0x60", "nfe_shipments_on_their_way": "4+0x60", "nfe_last_accepted_seconds": "30+0x60"},
        set(),
    ),
    (
        {
            "nfe_build_info": "1+0x60",
            'nfe_stage_outcomes_total{stage="authorize",outcome="refused"}': "0+1x60",
            'nfe_stage_outcomes_total{stage="authorize",outcome="done"}': "0+2x60",
        },
        {"NfeManyRefused"},
    ),
    (
        {
            "nfe_build_info": "1+0x60",
            'nfe_requests_total{party="sefaz",operation="consulta",result="sefaz-timeout"}': "0+9x60",
            'nfe_requests_total{party="sefaz",operation="consulta",result="200"}': "0+1x60",
        },
        {"NfeCounterpartFails"},
    ),
    (
        {
            "nfe_build_info": "1+0x60",
            'nfe_stage_codes_total{stage="poll",outcome="waiting",code="unknown-status"}': "0+1x60",
            'nfe_stage_codes_total{stage="poll",outcome="waiting",code="Processing"}': "0+9x60",
        },
        {"NfeUnknownVerdict"},
    ),
    ({"nfe_build_info": "1+0x60", 'nfe_seller_stopped{seller="A",code="213"}': "1+0x60"}, {"NfeSellerStopped"}),
]  # fmt: skip


def test_the_rules_fire_when_they_should_and_only_then(promtool: str, tmp_path: Path) -> None:
    (tmp_path / "alerts.yml").write_text((FOLDER / "alerts.yml").read_text(encoding="utf-8"))
    tests = [
        {
            "interval": "5m",
            "input_series": [{"series": series, "values": values} for series, values in given.items()],
            # Every rule is asked for: what is not expected must not fire.
            "promql_expr_test": [
                {
                    "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                    "eval_time": "4h",
                    "exp_samples": [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(expected)],
                }
            ],
        }
        for given, expected in CASES
    ]
    (tmp_path / "tests.yml").write_text(
        json.dumps({"rule_files": ["alerts.yml"], "evaluation_interval": "5m", "tests": tests})
    )
    done = subprocess.run(
        [promtool, "test", "rules", str(tmp_path / "tests.yml")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
