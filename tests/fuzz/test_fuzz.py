"""Whatever is handed in is read or refused by name: the right inputs, some hundred spoilt ones, and all once found."""

import pytest

from tests.fuzz.found import FOUND
from tests.fuzz.mutations import HOSTILE, mutated
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS, ask

#: Spoilt inputs of each target: about two seconds.
SPOILT = {
    "details": 250,
    "checked": 40,
    "soap_answer": 500,
    "products_csv": 200,
    "products_toml": 300,
    "seller_toml": 60,
}


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_right_is_read(name: str) -> None:
    given = seeds(name)
    assert given
    assert any(ask(name, one) for one in given)


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_spoilt_is_read_or_refused_by_name(name: str) -> None:
    given = seeds(name)
    for seed in range(SPOILT.get(name, 1000)):
        ask(name, mutated(given[seed % len(given)], seed))


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_hostile_by_itself_is_read_or_refused_by_name(name: str) -> None:
    for text in HOSTILE:
        ask(name, text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(("name", "data"), [(name, data) for name, inputs in FOUND.items() for data in inputs])
def test_what_was_found_is_mended(name: str, data: bytes) -> None:
    ask(name, data)


def test_the_search_would_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(data: bytes) -> None:
        raise KeyError("a buyer's name")

    monkeypatch.setitem(TARGETS, "notification", fails)
    with pytest.raises(KeyError):
        ask("notification", b"{}")
