"""Every code that an operator can meet has a sentence that says what happened and one that says what to do."""

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from types import SimpleNamespace

import pytest

from workflow.mends import LANGUAGES, entries, mend_of, trouble_of
from workflow.nfe.reactions import Reaction
from workflow.states import State

ROOT = Path(__file__).parents[2]
#: The errors of shipments and sellers; a part that cannot start says itself what to do (Misconfigured).
RAISED = {"Invalid", "RetryLater", "LostAnswer", "Refused", "SellerStopped"}
#: Codes that are values of other names where they are raised, and stops that no stage raises.
ELSEWHERE = {"throttled", "seller-stopped", "removed", "bad-base64", "sefaz-fault", "bad-issuer"}
FALLBACKS = ("cStat ", "Amazon *", "unknown *")


def written(node: ast.expr) -> Iterator[str]:
    """The codes that an expression may be; `*` stands for what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)
    elif isinstance(node, ast.IfExp):
        yield from written(node.body)
        yield from written(node.orelse)


def raised() -> set[str]:
    """Every code that stands in the source where an error is made."""
    found: set[str] = set()
    for path in [*(ROOT / "workflow").rglob("*.py"), *(ROOT / "tasks").rglob("*.py")]:
        if "sandbox" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            told = [node.args[0]] if name in RAISED and node.args else []
            told += [word.value for word in node.keywords if word.arg == "code" and name != "_order"]
            for one in told:
                found.update(code for code in written(one) if re.fullmatch(r"[\w*-]+", code))
    return found


def in_readme() -> set[str]:
    """The codes in README's tables of what a shipment or its seller may show."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    tables = text.split("### What you see", 1)[1].split("A command or a part fails", 1)[0]
    rows = re.findall(r"^\| (`.+?) \|", tables, re.MULTILINE)
    codes = {code.replace("…", "503") for row in rows for code in re.findall(r"`([^`]+)`", row)}
    return codes - {str(one) for one in Reaction}


def has_entry(code: str) -> bool:
    return not mend_of(code.replace("*", "x")).key.startswith(FALLBACKS)


def test_every_code_in_the_source_has_an_entry() -> None:
    codes = raised()
    assert {"unknown-sku", "lease-lost", "amazon-unauthorized", "*-tls"} <= codes
    assert not sorted(code for code in codes | ELSEWHERE if not has_entry(code))


def test_every_code_of_the_readme_has_an_answer_of_its_own_or_of_its_kind() -> None:
    codes = in_readme()
    assert len(codes) > 100
    assert not sorted(code for code in codes if mend_of(code).key == "unknown *")


def test_no_entry_is_left_of_a_code_that_is_gone() -> None:
    known = raised() | ELSEWHERE | in_readme()
    stale = [
        key
        for key in entries()
        if not key.startswith(FALLBACKS)
        and not re.fullmatch(r"\d+|[A-Z]\w+", key)
        and not any(fnmatchcase(code, key) or fnmatchcase(key, code) for code in known)
    ]
    assert not stale


@pytest.mark.parametrize("one", Reaction)
def test_every_reaction_to_a_cStat_is_told(one: Reaction) -> None:
    assert f"cStat {one}" in entries()


def test_every_sentence_is_there_in_every_language() -> None:
    for mend in entries().values():
        assert set(mend.by_language) == set(LANGUAGES)
        for told in mend.by_language.values():
            assert told.what.endswith((".", "?"))
            assert told.mend.endswith((".", "?"))


def test_an_unknown_code_has_an_answer_too() -> None:
    assert mend_of("never-heard-of").key == "unknown *"
    assert mend_of("NeverHeardOf").key == "Amazon *"
    assert mend_of("999").key == "cStat wait"


def a_shipment(state: State, stop_code: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(state=state, stop_code=stop_code)


def a_line(outcome: str, code: str | None, reason: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(outcome=outcome, code=code, reason=reason)


def test_a_shipment_on_its_way_has_no_trouble() -> None:
    assert trouble_of(a_shipment(State.FETCHED), [a_line("waiting", "108")]) is None
    assert trouble_of(a_shipment(State.ACCEPTED), [a_line("done", "Accepted")]) is None


def test_a_refused_shipment_s_trouble_is_the_last_refusal_whatever_was_noted_since() -> None:
    history = [a_line("refused", "539", "old"), a_line("refused", "778", "NCM"), a_line("ignored", None, "noted")]
    trouble = trouble_of(a_shipment(State.REJECTED), history)
    assert trouble is not None
    assert (trouble.code, trouble.reason, trouble.mend.next) == ("778", "NCM", "product")


def test_what_stopped_the_seller_is_told_at_each_of_its_shipments() -> None:
    history = [a_line("stopped", "seller-stopped", "certificate-expired: ended: yesterday")]
    trouble = trouble_of(a_shipment(State.FETCHED, "seller-stopped"), history)
    assert trouble is not None
    assert (trouble.code, trouble.reason) == ("certificate-expired", "ended: yesterday")


def test_a_cStat_before_the_send_is_told_as_our_own_check() -> None:
    trouble = trouble_of(a_shipment(State.FETCHED, "611"), [a_line("stopped", "611", "cEAN")])
    assert trouble is not None
    assert trouble.mend.key == "cStat before"
