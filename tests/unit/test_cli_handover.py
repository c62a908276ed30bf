"""`nfe hand-over`: what is listed, what goes once more, and what the doctor says of the mail server."""

# ruff: noqa: F811 - the fixtures are those of the other commands

from collections.abc import Callable

import pytest

from tests.mailbox import mail_server
from tests.unit.test_cli import Nfe, environment, nfe, put, seller, seller_file, shipment, store  # noqa: F401
from workflow.handovers import Handovers, begin
from workflow.models import Channel
from workflow.store import Store

KEY = "1" * 44


@pytest.fixture
def refused(nfe: Nfe, shipment: str, store: Store) -> Store:
    """A note that its reader refused."""
    put(store, state="ACCEPTED", access_key=KEY, due_at=None, ring_at=None)
    with store.writing() as connection:
        begin(connection, shipment, KEY, (Channel.MAIL,), now=store.now())
    taken = Handovers(store).take()
    assert taken is not None
    Handovers(store).stop(taken, "mail-refused")
    return store


def test_what_was_not_taken_is_listed_and_goes_once_more(nfe: Nfe, shipment: str, refused: Store) -> None:
    (row,) = nfe("hand-over", "list", "--stopped", "--json").json()
    assert (row["shipment_id"], row["stop_code"], row["tries"]) == (shipment, "mail-refused", 1)
    assert nfe("hand-over", "list", "FBA1").lines[1].split("\t")[:4] == [shipment, KEY, "note", "mail"]
    told = nfe("hand-over", "again", "--stopped", "--dry-run").lines
    assert told == [f"{shipment} would be handed on once more"]
    assert nfe("hand-over", "again", "--stopped").lines == [f"{shipment} 1 to be handed on"]
    assert nfe("hand-over", "again", "--stopped").lines == ["nothing waits for a person"]
    assert Handovers(refused).counts() == (1, 0)


def test_a_shipment_of_a_seller_who_wants_nothing_has_nothing_to_hand_on(nfe: Nfe, shipment: str) -> None:
    assert "has nothing to hand on" in nfe("hand-over", "again", "FBA1").lines[0]


def test_nothing_and_nobody_is_wrong_usage_and_one_line(nfe: Nfe, shipment: str) -> None:
    assert nfe("hand-over", "again").code == 2
    nfe("hand-over", "again", "FBA404").failed("unknown-shipment", "FBA404")


def mail(nfe: Nfe) -> list[tuple[str, str]]:
    found = nfe("doctor", "--json").json()
    return [(one["status"], one["message"]) for one in found if one["check"] == "mail"]


def test_the_doctor_asks_the_mail_server_where_one_is_set(
    nfe: Nfe, seller: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert mail(nfe) == []
    monkeypatch.setenv("NFE_SMTP_FROM", "notas@nfe.example")
    with mail_server() as mailbox:
        for name, value in {"HOST": "127.0.0.1", "PORT": mailbox.port, "TLS": "none"}.items():
            monkeypatch.setenv(f"NFE_SMTP_{name}", str(value))
        assert mail(nfe) == [("ok", "the mail server takes mails; sellers that use it: 0")]
    assert mail(nfe)[0][0] == "failed"


def test_the_doctor_misses_a_mail_server_that_a_seller_needs(nfe: Nfe, seller_file: Callable[..., object]) -> None:
    path = seller_file
    path.write_text(path.read_text() + '\n[buyer_mail]\nto = "notas@loja.example"\n')  # type: ignore[attr-defined]
    assert nfe("seller", "add", path).code == 0
    ((status, message),) = mail(nfe)
    assert status == "failed"
    assert "NFE_SMTP_HOST" in message
