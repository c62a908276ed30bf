"""Notes handed on to a real mail server and a real webhook: the archive's own bytes, at least once, seen in the history."""

# ruff: noqa: F811 - the fixtures are those of the clients

import base64
import json
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.mailbox import Mailbox, mail_server
from tests.unit.archives import Shelf
from tests.unit.clients.conftest import Server, serve, server  # noqa: F401
from tests.unit.clients.test_webhook import SECRET
from tests.unit.conftest import Clock
from workflow import ending, handover
from workflow.clients.webhook import signature
from workflow.engine import Engine
from workflow.handover import FIRST_WAIT, MOST_TRIES, hand_over
from workflow.handovers import Handovers, begin, follow
from workflow.migrations import upgrade
from workflow.models import Channel, DocumentKind
from workflow.sandbox.shipments import demo_seller
from workflow.settings import Settings
from workflow.states import State
from workflow.tools import SellerSecrets, Tools

SELLER = "A1TESTSELLER"
TO = ["arquivo@loja.example"]


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as made:
        yield made


@pytest.fixture
def tools(tmp_path: Path, mailbox: Mailbox, server: Server) -> Iterator[Tools]:
    """An installation whose seller wants both."""
    made = Tools(
        Settings(
            data_dir=tmp_path,
            smtp_host="127.0.0.1",
            smtp_port=mailbox.port,
            smtp_tls="none",
            smtp_from="notas@nfe.example",
        )
    )
    upgrade(made.store.engine)
    put_seller(made, mail={"to": TO, "reply_to": "sac@loja.example"}, hook={"url": server.url, "secret": SECRET})
    yield made
    made.store.engine.dispose()


def put_seller(tools: Tools, *, mail: dict[str, Any] | None = None, hook: dict[str, Any] | None = None) -> None:
    issuer = demo_seller() | {"seller_id": SELLER}
    secrets = SellerSecrets(
        issuer=issuer, pfx=b"", pfx_password="", refresh_token="x", buyer_mail=mail, buyer_webhook=hook
    )
    tools.catalog.put_seller(
        {"id": SELLER, "name": "LOJA", "cnpj": "99999999000191", "issuer": issuer, "certificate_until": None},
        secrets=secrets.dump(),
    )


@pytest.fixture
def clock(tools: Tools) -> Clock:
    stopped = Clock()
    tools.store.set_clock(stopped)
    return stopped


@pytest.fixture
def note(tools: Tools, clock: Clock) -> str:
    """The key of an accepted note, which is to be handed on by both."""
    key = Shelf(tools.store, Engine(tools.store, tools.settings)).put()
    let_go(tools, key, Channel.MAIL, Channel.WEBHOOK)
    return key


def let_go(tools: Tools, key: str, *channels: Channel) -> None:
    with tools.store.writing() as connection:
        begin(connection, f"{SELLER}/FBA1", key, channels, now=tools.store.now())


def history(tools: Tools) -> list[tuple[str, str, str | None]]:
    lines = tools.store.history(f"{SELLER}/FBA1")
    return [(line.outcome, line.code or "", line.reason) for line in lines if line.stage == "hand_over"]


def attached(mail: EmailMessage) -> dict[str, bytes]:
    return {str(part.get_filename()): part.get_payload(decode=True) for part in mail.iter_attachments()}  # type: ignore[misc]


def test_a_note_goes_by_both_channels_as_the_archive_has_it(
    tools: Tools, note: str, mailbox: Mailbox, server: Server
) -> None:
    server.answers(204)
    assert (hand_over(tools), hand_over(tools)) == (2, 0)
    nfeProc = tools.store.document(f"{SELLER}/FBA1", DocumentKind.NFEPROC)
    (mail,) = mailbox.mails
    files = attached(mail)
    assert files[f"{note}-procNFe.xml"] == nfeProc
    assert files[f"DANFE-{note}.pdf"].startswith(b"%PDF-")
    assert (mailbox.to, mail["Reply-To"], mail["From"]) == ([TO], "sac@loja.example", "notas@nfe.example")
    assert mail["Subject"] == "NF-e 1, série 1, pedido 701-1234567-1234567"
    body = mail.get_body()
    assert body is not None
    assert f"Chave de acesso: {note}" in body.get_content()
    (seen,) = server.seen
    data = json.loads(seen.body)["data"]
    assert base64.b64decode(data["files"][f"{note}-procNFe.xml"]) == nfeProc
    assert base64.b64decode(data["files"][f"DANFE-{note}.pdf"]) == files[f"DANFE-{note}.pdf"]
    assert (data["chNFe"], data["shipment"], data["seller"]) == (note, "FBA1", SELLER)
    id, at = seen.headers["webhook-id"], seen.headers["webhook-timestamp"]
    assert seen.headers["webhook-signature"] == signature(SECRET, id, at, seen.body)
    assert [line[0] for line in history(tools)] == ["done", "done"]


def test_a_cancellation_follows_with_its_event(tools: Tools, clock: Clock, mailbox: Mailbox) -> None:
    shelf = Shelf(tools.store, Engine(tools.store, tools.settings))
    key = shelf.put(state=State.CANCELLED, cancelled_on="2026-11-23")
    let_go(tools, key, Channel.MAIL)
    with tools.store.writing() as connection:
        follow(connection, f"{SELLER}/FBA1", key, now=tools.store.now())
    assert hand_over(tools) == 2
    first, second = mailbox.mails
    assert set(attached(second)) == {f"{key}-procEventoNFe.xml", f"DANFE-{key}.pdf"}
    assert attached(second)[f"DANFE-{key}.pdf"] != attached(first)[f"DANFE-{key}.pdf"], "it says that it is cancelled"
    assert second["Subject"].startswith("Cancelada: NF-e 1")
    assert first["Message-ID"] != second["Message-ID"]


def test_what_is_sent_again_has_the_name_by_which_its_reader_knows_it(
    tools: Tools, note: str, clock: Clock, mailbox: Mailbox, server: Server
) -> None:
    mailbox.answers = ["lost", "250 OK"]
    server.drops().answers(204)
    for _ in range(6):
        hand_over(tools)
        clock.pass_(seconds=FIRST_WAIT.total_seconds())
    assert len(mailbox.mails) == len(server.seen) == 2
    assert len({mail["Message-ID"] for mail in mailbox.mails}) == 1
    assert len({seen.headers["webhook-id"] for seen in server.seen}) == 1
    assert Handovers(tools.store).counts() == (0, 0)
    assert [line[0] for line in history(tools)] == ["waiting", "waiting", "done", "done"]


def test_a_reader_that_is_away_is_asked_ever_more_seldom_and_at_last_a_person_is(
    tools: Tools, note: str, clock: Clock, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflow.nfe.danfe.danfe", lambda *_, **__: b"%PDF-")  # sixty of them take their time
    tools.settings = tools.settings.model_copy(update={"smtp_host": ""})
    server.answers(500)
    waits = []
    while Handovers(tools.store).counts().waiting and len(waits) < 10_000:
        before = len(server.seen)
        hand_over(tools)
        waits.append(len(server.seen) - before)
        clock.pass_(minutes=30)
    assert Handovers(tools.store).counts() == (0, 2)
    assert len(server.seen) == MOST_TRIES
    assert len(waits) * 0.5 / 24 > 4, "four days and more"
    assert {(line[0], line[1]) for line in history(tools)} == {
        ("waiting", "no-mail-server"), ("waiting", "webhook-http-500"),
        ("ignored", "no-mail-server"), ("ignored", "webhook-http-500"),
    }  # fmt: skip


def test_an_address_that_is_refused_waits_for_a_person_at_once_and_holds_up_nobody(
    tools: Tools, note: str, mailbox: Mailbox, server: Server
) -> None:
    mailbox.recipients = ["550 no such user"]
    server.answers(204)
    assert hand_over(tools) == 1
    assert Handovers(tools.store).counts() == (0, 1)
    (line,) = [line for line in history(tools) if line[0] == "ignored"]
    assert line[1] == "mail-refused"
    assert "@" not in str(line[2])


def test_a_wish_that_was_taken_back_is_told_and_not_sent(
    tools: Tools, note: str, mailbox: Mailbox, server: Server
) -> None:
    put_seller(tools)
    hand_over(tools)
    assert (mailbox.mails, server.seen) == ([], [])
    assert {line[1] for line in history(tools)} == {"not-wanted"}


def test_a_stopped_seller_hands_on_what_was_accepted(tools: Tools, note: str, server: Server) -> None:
    server.answers(204)
    tools.catalog.stop_seller(SELLER, "certificate-expired", "ended")
    assert hand_over(tools) == 2


def test_a_process_that_ends_leaves_its_note_to_the_next_as_it_was(
    tools: Tools, note: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(ending, "_is_near", threading.Event())
        ending.give_up()
        assert hand_over(tools) == 0
    assert {(row.tries, row.lease, row.stop_code) for row in Handovers(tools.store).rows()} == {(0, None, None)}
    server.answers(204)
    assert hand_over(tools) == 2


def test_a_run_ends_when_its_time_is_over(tools: Tools, note: str, mailbox: Mailbox, server: Server) -> None:
    server.answers(204)
    mailbox.slow = 0.2
    assert hand_over(tools, budget=0.1) == 1
    assert Handovers(tools.store).counts() == (1, 0)


def test_what_was_handed_on_while_its_lease_ran_out_is_the_others_to_tell(
    tools: Tools, note: str, clock: Clock, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers(204)
    real = handover._act

    def slow(kit: Tools, taken: Any) -> None:
        real(kit, taken)
        clock.pass_(minutes=10)
        Handovers(kit.store).take()

    monkeypatch.setattr(handover, "_act", slow)
    assert hand_over(tools, budget=0.001) == 0
    assert history(tools) == []
