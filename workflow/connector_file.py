"""The file of a vendor's connector that people write, as TOML: which Amazon to ask, and as whom."""

import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from workflow.clients.selling_partner import HOSTS
from workflow.connector import ConnectorSecrets
from workflow.errors import Invalid
from workflow.toml_file import TomlFile
from workflow.vendors import Vendors

#: It is a command's option and a task's argument.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
FIELDS = ("name", "region", "base_url", "ship_from_party_id")


class ConnectorFile(NamedTuple):
    """A connector as its file says."""

    name: str
    base_url: str
    ship_from_party_id: str | None
    secrets: ConnectorSecrets


def read_connector(path: Path) -> ConnectorFile:
    """Read `FILE.toml`; raise Invalid with the file and the field that is wrong or missing.

    Top level: `name`; `region` (EU, NA or FE; default EU) or `base_url`; `ship_from_party_id` where only one warehouse
    counts. [amazon]: `refresh_token`, and `client_id`, `client_secret` where the vendor has an application of its own.
    A secret may be given as `…_file` or `…_env` instead.
    """
    try:
        return _read(TomlFile(path, "bad-connector"))
    except Invalid as error:
        raise Invalid(error.code, f"{path}: {error.message}") from error


def register(vendors: Vendors, path: Path) -> ConnectorFile:
    """Add the file's connector, or replace what is known of it."""
    read = read_connector(path)
    vendors.put_connector(
        read.name,
        base_url=read.base_url,
        ship_from_party_id=read.ship_from_party_id,
        secrets=read.secrets.dump(),
    )
    return read


def _read(file: TomlFile) -> ConnectorFile:
    amazon = file.take_section("amazon")
    if unknown := sorted(set(file.values) - set(FIELDS)):
        raise file.mistake(f"{', '.join(unknown)}: no such field; known: {', '.join(FIELDS)}")
    name, party = _text(file, "name"), _text(file, "ship_from_party_id")
    if not NAME.fullmatch(name or ""):
        raise file.mistake("name is missing, or has other signs than letters, digits, '_', '.' and '-'")
    secrets = ConnectorSecrets(
        refresh_token=amazon.secret("refresh_token"),
        client_id=amazon.secret("client_id", needed=False),
        client_secret=amazon.secret("client_secret", needed="client_id" in amazon.values),
    )
    return ConnectorFile(name or "", _base_url(file), party, secrets)


def _base_url(file: TomlFile) -> str:
    region, given = _text(file, "region"), _text(file, "base_url")
    if given is None:
        if (region or "EU") not in HOSTS:
            raise file.mistake(f"region {region} is unknown; one of {', '.join(HOSTS)}")
        return HOSTS[region or "EU"]
    if region is not None:
        raise file.mistake("region and base_url exclude each other; keep one")
    address = urlsplit(given)
    # Tokens and buyers' data travel there: only a counterpart on this machine may do without TLS.
    if address.scheme != "https" and not (address.scheme == "http" and address.hostname in LOOPBACK):
        raise file.mistake("base_url must begin with https://")
    return given.rstrip("/")


def _text(file: TomlFile, field: str) -> str | None:
    value = file.values.get(field)
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise file.mistake(f"{field} is empty or no text")
    return value
