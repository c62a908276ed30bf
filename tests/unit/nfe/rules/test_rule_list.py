"""Every row of the list of local rules is a rule here, or has a reason why it is none."""

import csv
import re
from pathlib import Path

import pytest

from workflow.nfe.rules import RULES, message

LIST = Path(__file__).parents[5] / "shared" / "nfe" / "local_rules_b2c_mod55.csv"

#: Not decided from the document, or not a rule any more.
LEFT_OUT = {
    "252": "the environment is the address it is sent to, not in the document",
    "180": "the regime at the Receita Federal is not in the document",
    "481": "the regime at the UF is not in the document",
    "867": "withdrawn: authorised notes have instalments with tPag 15, and the official messages know no 867",
    "872": "withdrawn with 867",
}


def wanted() -> list[tuple[str, str]]:
    if not LIST.exists():
        return []
    with LIST.open(encoding="utf-8", newline="") as file:
        return [(code, row["rule"]) for row in csv.DictReader(file) for code in _codes(row["cStat"])]


def _codes(text: str) -> list[str]:
    first, _, last = text.partition("..")
    return [first, last] if last else re.findall("[0-9]+", text)


@pytest.mark.skipif(not LIST.exists(), reason="the list of rules is not beside the repository")
@pytest.mark.parametrize(("code", "rule"), wanted())
def test_a_rule_of_the_list_is_implemented_or_left_out_with_a_reason(code: str, rule: str) -> None:
    implemented = {one.cStat for one in RULES} | set(re.findall(r'"([0-9]{3})"', Path(message.__file__).read_text()))
    assert (code in implemented) != (code in LEFT_OUT), rule
