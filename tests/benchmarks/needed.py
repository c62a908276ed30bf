"""What a shipment needs whatever the program is: as many commits, HTTP requests and RSA signatures, by the plainest means.

Commits change one row, by the database's driver itself, as durable as the product's; requests are requests', over kept
connections, one of them with the seller's certificate; their answers are not looked at.
"""

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import psycopg
import requests
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1

from workflow.clients.mutual_tls import mtls_session
from workflow.nfe.certificate import load_pfx

#: Names a JSON file: `database`, `amazon` and `sefaz` (addresses), `ca_file`, `pfx`, `password`.
ABOUT = "BENCH_NEEDED"
#: Of a stage: its claim and its settlement; a number; the marks before what cannot be undone.
COMMITS = {"one": 2, "two": 3, "three": 3, "four": 3, "five": 2}
#: Details, submission, verdict; the authorisation is the fourth request.
ASKS = ("one", "four", "five")
#: About as long as a signed NF-e in its envelope, and as what is signed of it.
DOCUMENT, SIGNED_INFO = b"x" * 9000, b"x" * 600


class Needed:
    """A process's connections."""

    def __init__(self) -> None:
        about: dict[str, str] = json.loads(Path(os.environ[ABOUT]).read_text())
        key = load_pfx(Path(about["pfx"]).read_bytes(), about["password"])
        self._about = about
        self._database = _connect(about["database"])
        self._key = key.private_key
        self._http = requests.Session()
        self._http.trust_env = False
        self._https = mtls_session(key.private_key, key.certificate, key.chain, ca_file=Path(about["ca_file"]))

    def do(self, stage: str) -> None:
        """A stage's share."""
        for _ in range(COMMITS[stage]):
            self._database.execute(f"UPDATE bench SET number = number + 1 WHERE process = {os.getpid()}")
            self._database.commit()
        if stage in ASKS:
            self._http.get(self._about["amazon"], timeout=20)
        elif stage == "two":
            self._key.sign(SIGNED_INFO, PKCS1v15(), SHA1())
        else:
            self._https.post(self._about["sefaz"], data=DOCUMENT, timeout=20)


def prepare(url: str) -> None:
    """Make the table."""
    database = _open(url)
    database.execute("CREATE TABLE bench (process INTEGER PRIMARY KEY, number INTEGER)")
    database.commit()
    database.close()


def _connect(url: str) -> Any:
    database = _open(url)
    database.execute(f"INSERT INTO bench VALUES ({os.getpid()}, 0)")
    database.commit()
    return database


def _open(url: str) -> Any:
    if url.startswith("sqlite:///"):
        database = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30)
        database.execute("PRAGMA synchronous=FULL")
        return database
    return psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://"))
