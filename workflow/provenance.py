"""How an access key tells whose it is: its cNF is made from the sale, under a secret of the installation.

The secret is made once, sealed in the database, and so in every backup: a database that does not know a key which SEFAZ
has can still tell which of its sales the key belongs to. Rotating the encryption key seals it anew and changes no cNF.
"""

import secrets
from datetime import datetime

from sqlalchemy import select

from workflow.models import InstallationSecret, table
from workflow.nfe.access_key import KeyParts, derived_cNF
from workflow.numbers import Range
from workflow.store import Store

SECRET = table(InstallationSecret)
#: Its row.
_NAME = "cNF"
_LENGTH = 32


class Provenance:
    """What makes a sale's cNF; `since` is when the secret was made: older keys were drawn, and tell nothing."""

    def __init__(self, secret: bytes, since: datetime) -> None:
        self._secret = secret
        self.since = since

    @classmethod
    def of(cls, store: Store) -> "Provenance":
        """The installation's; its secret is made at the first question."""
        found = _read(store)
        if found is None:
            sealed = store.vault.seal(secrets.token_bytes(_LENGTH), SECRET.name, _NAME)
            with store.writing() as connection:
                new = store.insert(SECRET).values(name=_NAME, sealed=sealed, created_at=store.now())
                connection.execute(new.on_conflict_do_nothing())
            found = _read(store)
        assert found is not None
        return cls(*found)

    def cNF(self, shipment_id: str, turn: int, where: Range, nNF: int) -> str:
        """The cNF of a shipment's note under a number; `turn` is the how-manieth note of the sale it is."""
        return derived_cNF(self._secret, nNF, where.cnpj, where.environment, where.series, shipment_id, turn)

    def is_of(self, key: KeyParts, shipment_id: str, turn: int, environment: int) -> bool:
        """Whether a key is of this shipment's note of that turn; one in a hundred million others looks the same."""
        where = Range(key.CNPJ, environment, int(key.serie))
        return key.cNF == self.cNF(shipment_id, turn, where, int(key.nNF))


def _read(store: Store) -> tuple[bytes, datetime] | None:
    with store.reading() as connection:
        row = connection.execute(select(*SECRET.c).where(SECRET.c.name == _NAME)).one_or_none()
    return None if row is None else (store.vault.open(row.sealed, SECRET.name, _NAME), row.created_at)
