"""A key tells whose it is to whoever has the installation's secret, which is in the database and in its backups."""

from datetime import UTC, date, datetime

from sqlalchemy import select

from workflow.crypto import Vault
from workflow.key_book import reseal
from workflow.key_source import new_key
from workflow.nfe.access_key import access_key, is_weak_cNF, split
from workflow.numbers import Range
from workflow.provenance import SECRET, Provenance
from workflow.store import Store

WHERE = Range("99999999000191", 2, 1)
PROVENANCE = Provenance(b"secret", datetime(2026, 11, 22, tzinfo=UTC))


def key_of(nNF: int, cNF: str, serie: int = 1) -> str:
    return access_key(cUF="35", issued_on=date(2026, 11, 22), cnpj=WHERE.cnpj, serie=serie, nNF=nNF, tpEmis=1, cNF=cNF)


def test_a_key_is_of_its_shipment_and_turn_and_of_no_other() -> None:
    key = split(key_of(7, PROVENANCE.cNF("A1/FBA1", 1, WHERE, 7)))
    assert PROVENANCE.is_of(key, "A1/FBA1", 1, 2)
    assert not PROVENANCE.is_of(key, "A1/FBA1", 2, 2)
    assert not PROVENANCE.is_of(key, "A1/FBA1", 1, 1)
    assert not PROVENANCE.is_of(key, "A1/FBA2", 1, 2)
    assert not PROVENANCE.is_of(split(key_of(7, key.cNF, serie=2)), "A1/FBA1", 1, 2)


def test_no_shipment_gets_a_code_that_897_forbids() -> None:
    assert not any(is_weak_cNF(PROVENANCE.cNF(f"A1/FBA{n}", 1, WHERE, n), n) for n in range(2000))


def test_the_secret_is_made_once_and_sealed(store: Store) -> None:
    first = Provenance.of(store)
    again = Provenance.of(store)
    assert first.cNF("A1/FBA1", 1, WHERE, 7) == again.cNF("A1/FBA1", 1, WHERE, 7)
    assert first.since == again.since
    with store.reading() as connection:
        [sealed] = connection.execute(select(SECRET.c.sealed)).scalars()
    assert sealed.startswith(store.vault.head)


def test_a_rotated_encryption_key_changes_no_code(store: Store) -> None:
    before = Provenance.of(store).cNF("A1/FBA1", 1, WHERE, 7)
    old = store.vault
    key = new_key()
    store.vault = Vault([key, *_texts(old)])
    assert reseal(store).failed.total() == 0
    store.vault = Vault([key])
    assert Provenance.of(store).cNF("A1/FBA1", 1, WHERE, 7) == before


def _texts(vault: Vault) -> list[str]:
    """The vault's keys as they are configured."""
    return [_fernet_text(key.fernet) for key in vault._ring.keys]


def _fernet_text(fernet: object) -> str:
    import base64

    halves = fernet._signing_key + fernet._encryption_key  # type: ignore[attr-defined]
    return base64.urlsafe_b64encode(halves).decode()
