"""Every sealed field is accounted for by its key, and sealed anew without a worker noticing."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import LargeBinary, insert, select, text, update

from tests.unit.conftest import SELLER, Clock, notification
from workflow import key_book
from workflow.catalog import Catalog
from workflow.crypto import Vault
from workflow.engine import Engine
from workflow.errors import Misconfigured
from workflow.key_book import OLDER_VERSION, SEALED, by_key, enter, older, reseal, since
from workflow.key_source import new_key
from workflow.models import DocumentKind, VoidingState, metadata
from workflow.store import DOCUMENT, Left, Store
from workflow.vendors import File, Vendors
from workflow.voidings import VOIDING, Voidings

SECRET = b"MARIA DA SILVA 12345678909"


@pytest.fixture
def old() -> str:
    return new_key()


@pytest.fixture
def filled(store: Store, engine: Engine, old: str) -> Store:
    """Something in every sealed column, all under the old key: three documents and one field of each other column."""
    store.vault = Vault([old])
    Catalog(store).put_seller({"id": SELLER, "name": "LOJA", "cnpj": "99999999000191", "issuer": {}}, secrets=SECRET)
    vendors = Vendors(store)
    vendors.put_connector("india", base_url="https://x", ship_from_party_id=None, secrets=SECRET)
    vendors.keep("india", [File("PO1", SECRET, "application/pdf")])
    id, _ = engine.receive(notification())
    with store.writing() as connection:
        store._leave(connection, id, [Left(DocumentKind.DETAILS, SECRET), Left(DocumentKind.NFE, SECRET)], store.now())
        connection.execute(
            insert(VOIDING).values(
                id="v1", seller_id=SELLER, cnpj="99999999000191", environment=2, series=1, year=26, first=1, last=1,
                state=VoidingState.DONE, made_at=store.now(), decided_at=store.now(),
                **{f"sealed_{name}": store.vault.seal(SECRET, "voiding", "v1") for name in ("request", "answer", "proof")},
            )
        )  # fmt: skip
    return store


def opens_everything(store: Store) -> bool:
    id = f"{SELLER}/FBA1"
    found = [
        store.document(id, DocumentKind.DETAILS),
        *store.versions(id, DocumentKind.NFE),
        Voidings(store).proof(SELLER, 1, 1),
        getattr(Vendors(store).file("india", "PO1"), "content", None),
        *(
            store.vault.open(row.sealed_secrets, *place)
            for row, place in (
                (Catalog(store).seller(SELLER), ("seller", SELLER)),
                (Vendors(store).connector("india"), ("vendor_connector", "india")),
            )
            if row is not None
        ),
    ]
    return found == [SECRET] * 6


def under_fernet(store: Store, key: str) -> None:
    """As a version before this one left it."""
    for where in SEALED:
        with store.writing() as connection:
            values = {where.column: Fernet(key).encrypt(SECRET)}
            connection.execute(update(where.table).where(where.table.c[where.column] != b"").values(values))


def test_no_sealed_column_is_forgotten() -> None:
    binary = {
        (name, column.name)
        for name, table in metadata.tables.items()
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }
    assert {(where.table.name, where.column) for where in SEALED} == binary


def test_after_a_rotation_everything_is_sealed_anew_and_opens_without_the_old_key(filled: Store, old: str) -> None:
    new = new_key()
    filled.vault = Vault([new, old])
    assert older(filled) == 9
    assert by_key(filled) == {Vault([old]).ids[0]: 9}
    told: list[int] = []
    assert reseal(filled, tell=told.append) == (9, {})
    assert sum(told) == 9
    assert older(filled) == 0
    filled.vault = Vault([new])
    assert by_key(filled) == {filled.vault.ids[0]: 9}
    assert opens_everything(filled)


def test_what_older_versions_sealed_is_sealed_as_today(filled: Store, old: str) -> None:
    under_fernet(filled, old)
    assert by_key(filled) == {OLDER_VERSION: 9}
    assert opens_everything(filled)
    assert reseal(filled) == (9, {})
    assert by_key(filled) == {filled.vault.ids[0]: 9}
    assert opens_everything(filled)


def test_nothing_to_do_is_nothing_done(filled: Store) -> None:
    before = documents(filled)
    assert reseal(filled) == (0, {})
    assert documents(filled) == before


def documents(store: Store) -> list[Any]:
    with store.reading() as connection:
        return list(connection.execute(select(*DOCUMENT.c).order_by(DOCUMENT.c.kind)))


def test_what_does_not_open_is_told_and_keeps_nothing_else(
    filled: Store, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_book, "BATCH", 1)
    stranger = Vault([new_key()])
    with filled.writing() as connection:
        connection.execute(
            update(DOCUMENT)
            .where(DOCUMENT.c.kind == DocumentKind.DETAILS)
            .values(sealed=stranger.seal(SECRET, "document", f"{SELLER}/FBA1", "details"))
        )
        connection.execute(
            update(DOCUMENT)
            .where(DOCUMENT.c.kind == DocumentKind.NFE)
            .values(sealed=filled.vault.seal(SECRET, "document", "elsewhere", "nfe"))
        )
    filled.vault = Vault([new_key(), old])
    found = reseal(filled)
    assert found.done == 7
    assert sorted(mistake.split(": ")[1] for mistake in found.failed) == ["damaged-data", "wrong-encryption-key"]
    assert older(filled) == 2
    assert reseal(filled) == (0, found.failed)


def test_whoever_is_killed_goes_on_where_it_was(filled: Store, old: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_book, "BATCH", 2)
    filled.vault = Vault([new_key(), old])

    def killed(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reseal(filled, tell=killed)
    assert older(filled) == 7
    assert reseal(filled) == (7, {})


def test_a_row_that_changes_meanwhile_is_left_as_it_is(
    filled: Store, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.vault = Vault([new_key(), old])
    write = key_book._write

    def seller_comes_anew(store: Store, where: Any, fresh: Any) -> None:
        values = {"id": SELLER, "name": "LOJA", "cnpj": "99999999000191", "issuer": {}}
        Catalog(store).put_seller(values, secrets=b"another certificate")
        write(store, where, fresh)

    monkeypatch.setattr(key_book, "_write", seller_comes_anew)
    reseal(filled)
    row = Catalog(filled).seller(SELLER)
    assert row is not None
    assert filled.vault.open(row.sealed_secrets, "seller", SELLER) == b"another certificate"


def test_workers_go_on_while_all_is_sealed_anew(filled: Store, engine: Engine, old: str) -> None:
    ids = [engine.receive(notification(f"FBA{number}"))[0] for number in range(2, 42)]
    new = new_key()
    worker, filled.vault = Store(filled.engine, Vault([old], reread=lambda: [new, old])), Vault([new, old])
    seen: list[bytes | None] = []

    def work() -> None:
        for id in ids:
            with worker.writing() as connection:
                worker._leave(connection, id, [Left(DocumentKind.DETAILS, SECRET)], worker.now())
            seen.append(worker.document(id, DocumentKind.DETAILS))
            seen.append(worker.document(f"{SELLER}/FBA1", DocumentKind.DETAILS))

    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        assert reseal(filled).failed == {}
    thread.join()
    assert seen == [SECRET] * 80
    reseal(filled)
    assert older(filled) == 0


# -- since when ---------------------------------------------------------------------------------------------


def test_a_keys_age_counts_from_its_first_start(store: Store, clock: Clock) -> None:
    enter(store)
    began = clock()
    clock.pass_(days=40)
    enter(store)
    assert since(store) == {store.vault.ids[0]: began}
    first = store.vault.ids[0]
    store.vault = Vault([new_key(), new_key()])
    with pytest.raises(Misconfigured, match=f"sealed with key {first}; put it behind the new one"):
        enter(store)
    assert list(since(store)) == [first]


def test_a_key_before_the_known_one_is_a_rotation(store: Store, clock: Clock) -> None:
    one, two = new_key(), new_key()
    store.vault = Vault([one])
    enter(store)
    clock.pass_(days=1)
    store.vault = Vault([two, one])
    enter(store)
    assert since(store)[Vault([two]).ids[0]] - since(store)[Vault([one]).ids[0]] == timedelta(days=1)


def test_no_key_itself_is_in_the_database(store: Store, old: str) -> None:
    store.vault = Vault([old])
    enter(store)
    with store.reading() as connection:
        rows = connection.execute(text("SELECT * FROM encryption_key")).all()
    assert old.rstrip("=") not in str(rows)


# -- at scale -----------------------------------------------------------------------------------------------


def test_an_index_tells_what_older_keys_sealed(filled: Store, old: str) -> None:
    is_postgresql = filled.engine.dialect.name == "postgresql"
    explain = "EXPLAIN" if is_postgresql else "EXPLAIN QUERY PLAN"
    number = "'\\x0101'::bytea" if is_postgresql else "x'0101'"
    for where in SEALED[:2]:
        head = where.sealed_with.compile(filled.engine)
        with filled.writing() as connection:
            if is_postgresql:
                connection.execute(text("SET LOCAL enable_seqscan = off"))  # a table this small is read whole
            found = connection.exec_driver_sql(
                f"{explain} SELECT * FROM {where.table.name} WHERE {head} > {number} LIMIT 10"
            )
            assert f"ix_{where.table.name}_sealed_with" in str(found.all())
