"""Every rule lets good documents pass and finds the one thing that breaks it."""

import doctest
import inspect
from datetime import datetime
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tests.unit.nfe.rules import documents
from tests.unit.nfe.rules.cases import CASES, Case
from tests.unit.nfe.rules.documents import GOLDEN, NFE, changed
from workflow.errors import Invalid
from workflow.nfe import rules, schema, signature
from workflow.nfe.certificate import SigningKey
from workflow.nfe.rules import RULES, Applies, Rule, rulebook
from workflow.nfe.rules import note as note_module
from workflow.nfe.rules.note import Note, read

BY_NAME = {rule.name: rule for rule in RULES}
GOOD = ("simples", "normal", "reduced", "three_items")


def good(name: str) -> bytes:
    document: bytes = getattr(documents, name)()
    return document


def note(case: Case, *, broken: bool) -> Note:
    now = datetime.fromisoformat(case.now) if case.now else None
    return read(changed(changed(good(case.document), case.leading), case.breaking if broken else {}), now)


def test_every_rule_has_a_name_of_its_own_and_a_case() -> None:
    assert len(BY_NAME) == len(RULES)
    assert set(BY_NAME) == set(CASES)


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_good_document_passes_the_rule(name: str) -> None:
    assert list(BY_NAME[name].breaches(note(CASES[name], broken=False))) == []


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_broken_document_does_not_pass_the_rule(name: str) -> None:
    found = list(BY_NAME[name].breaches(note(CASES[name], broken=True)))
    assert found
    rule = BY_NAME[name]
    assert all(breach.cStat == rule.cStat for breach in found)
    assert all(breach.is_error == (rule.applies is Applies.MANDATORY) for breach in found)
    assert all(bool(breach.xMotivo) == bool(rule.cStat) for breach in found)
    assert all("{" not in breach.xMotivo for breach in found)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_says_where_it_is_from(rule: Rule) -> None:
    assert rule.source
    assert rule.field
    assert bool(rule.cStat) == (rule.applies is not Applies.OURS)


@pytest.mark.parametrize("name", GOOD)
def test_a_good_document_breaks_no_rule(name: str) -> None:
    assert rules.breaches(good(name)) == ()


@pytest.mark.parametrize("name", GOOD)
def test_the_good_documents_are_valid_and_get_100(name: str, signing_key: SigningKey) -> None:
    signed = signature.sign(good(name), signing_key)
    schema.validate(signed)
    verdict = rules.check(signed)
    assert (verdict.cStat, verdict.xMotivo, verdict.breaches) == ("100", "Autorizado o uso da NF-e", ())


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.xml")), ids=lambda path: path.stem)
def test_what_we_generate_breaks_no_rule(path: Path) -> None:
    found = rules.breaches(path.read_bytes())
    assert [breach for breach in found if breach.is_error] == []


def test_a_rule_is_not_asked_of_a_note_older_than_it() -> None:
    old = {"ide/dhEmi": "2018-08-20T10:00:00-03:00", "ide/indIntermed": None}
    assert "434" not in {breach.cStat for breach in rules.breaches(changed(good("simples"), old))}


def test_rules_are_asked_in_the_order_of_the_layout() -> None:
    broken = {
        "total/ICMSTot/vProd": "9.99",
        "dest/CPF": "11111111111",
        "det/prod/qCom": "2.0000",
        "pag/detPag/tPag": "98",
    }
    found = [breach.cStat for breach in rules.breaches(changed(good("simples"), broken))]
    assert found == ["237", "629", "564", "610", "436"]


def test_within_the_tolerance_an_amount_that_is_a_cent_off_is_our_own_warning() -> None:
    (breach,) = rules.breaches(changed(good("simples"), {"det/prod/vUnTrib": "99.99"}))
    assert (breach.cStat, breach.severity, breach.place) == ("", "warning", "det[1]/prod")


def test_vNF_may_be_half_a_real_off_for_SEFAZ_but_not_for_us() -> None:
    near = rules.breaches(changed(good("simples"), {"total/ICMSTot/vNF": "100.50", "pag/detPag/vPag": "100.50"}))
    far = rules.breaches(changed(good("simples"), {"total/ICMSTot/vNF": "100.51", "pag/detPag/vPag": "100.51"}))
    assert [(one.cStat, one.severity) for one in near] == [("", "warning")]
    assert [(one.cStat, one.severity) for one in far] == [("610", "error")]


def test_a_message_tells_no_value_of_the_buyer() -> None:
    broken = {"dest/CPF": "11144477736", "dest/indIEDest": "1", "ide/tpAmb": "2", "dest/CNPJ": "15436940000104"}
    told = " ".join(f"{one.message} {one.xMotivo}" for one in rules.breaches(changed(good("simples"), broken)))
    assert told
    assert not any(value in told for value in ("11144477736", "15436940000104", "Fulano"))


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"<x/>", "not-an-nfe"),
        (b"no xml", "not-xml"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "not-xml"),
        (f'<enviNFe xmlns="{NFE}"><NFe><infNFe/></NFe><NFe><infNFe/></NFe></enviNFe>'.encode(), "several-notes"),
    ],
)
def test_what_is_no_note_is_told(document: bytes, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        rules.check(document)
    assert caught.value.code == code


TAGS = sorted({etree.QName(element).localname for element in etree.fromstring(documents.reduced()).iter()})
TEXTS = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=30) | st.sampled_from(
    [
        "",
        "0",
        "-1",
        "NaN",
        "1e9",
        "99999999999999999999.99",
        "9999999999999.9999999999",
        "٣",
        "2026-13-01T00:00:00-03:00",
    ]
)


@given(st.lists(st.tuples(st.sampled_from(TAGS), TEXTS | st.none()), min_size=1, max_size=8))
def test_no_document_makes_the_checker_fail(changes: list[tuple[str, str | None]]) -> None:
    root = etree.fromstring(documents.reduced())
    for tag, value in changes:
        for element in list(root.iter(f"{{{NFE}}}{tag}"))[:2]:
            parent = element.getparent()
            if value is not None and len(element) == 0:
                element.text = value
            elif value is None and parent is not None and parent is not root:
                parent.remove(element)
    rules.check(etree.tostring(root))


def test_the_rules_know_no_clock() -> None:
    assert "datetime.now" not in "".join(inspect.getsource(module) for module in rules.MODULES)


@pytest.mark.parametrize("module", [note_module, rulebook])
def test_the_examples_in_the_docstrings_hold(module: ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
