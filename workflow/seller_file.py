"""The file of a seller that people write, as TOML: each mistake is told with the field it is in."""

import re
from pathlib import Path
from typing import Any, NamedTuple

from workflow.clients.delivery import INVOICE_TYPES, PROGRAMS
from workflow.clients.selling_partner import HOSTS
from workflow.errors import Invalid
from workflow.nfe.certificate import SigningKey, load_pfx
from workflow.nfe.invoice import Issuer
from workflow.settings import is_private
from workflow.toml_file import Section, TomlFile
from workflow.tools import CHANNELS, DELIVERY, SHIPMENT_INVOICING, SellerSecrets, Tools

#: Addresses that a seller's notes go to.
MOST_ADDRESSES = 5
#: A mail address as far as it can be told by its form: one word on each side, no header's end in it.
ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")


class SellerFile(NamedTuple):
    """A seller as its file says: the issuer, what is to be sealed, and the A1 key."""

    issuer: Issuer
    secrets: SellerSecrets
    key: SigningKey


def read_seller(path: Path) -> SellerFile:
    """Read `FILE.toml`; raise Invalid with the file and the field that is wrong or missing.

    Top level and [address]: the fields of `Issuer`. [certificate]: `file` (PFX, relative to the TOML) and `password`.
    [amazon]: `refresh_token`, and `client_id`, `client_secret` where the seller has an application of its own;
    `region` (NA, EU, FE) instead of what NFE_AMAZON_URL says; `channel`, and with "delivery" `program` and
    `invoice_type`. [buyer_mail]: `to`, one address or several, and `reply_to`; [buyer_webhook]: `url` and `secret`: who
    gets each note. A secret may be given as `…_file` or `…_env` instead.
    """
    try:
        return _read_seller(path)
    except Invalid as error:
        raise Invalid(error.code, f"{path}: {error.message}") from error


def _read_seller(path: Path) -> SellerFile:
    file = TomlFile(path, "bad-seller")
    certificate, amazon = file.take_section("certificate"), file.take_section("amazon")
    mail, webhook = file.take_optional("buyer_mail"), file.take_optional("buyer_webhook")
    issuer = Issuer.parse(file.values)
    pfx, password = certificate.content("file"), certificate.secret("password")
    key = load_pfx(pfx, password)
    if not key.belongs_to(issuer.cnpj):
        raise Invalid("foreign-certificate", f"the A1 certificate is not of CNPJ {issuer.cnpj}: SEFAZ refuses (213)")
    secrets = SellerSecrets(
        issuer=file.values,
        pfx=pfx,
        pfx_password=password,
        refresh_token=amazon.secret("refresh_token"),
        client_id=str(amazon.values.get("client_id", "")),
        client_secret=amazon.secret("client_secret", needed="client_id" in amazon.values),
        region=amazon.choice("region", ("", *HOSTS), default=""),
        **_channel(amazon),
        buyer_mail=None if mail is None else _mail(mail),
        buyer_webhook=None if webhook is None else _webhook(webhook),
    )
    return SellerFile(issuer, secrets, key)


def _channel(amazon: Section) -> dict[str, str]:
    """How invoices are handed in, in the names of SellerSecrets."""
    channel = amazon.choice("channel", CHANNELS, default=SHIPMENT_INVOICING)
    if channel == DELIVERY:
        kind = amazon.choice("invoice_type", INVOICE_TYPES, default=INVOICE_TYPES[0])
        return {"channel": channel, "program": amazon.choice("program", PROGRAMS), "invoice_type": kind}
    for field in ("program", "invoice_type"):
        if field in amazon.values:
            raise amazon.mistake(field, f'is of channel "{DELIVERY}" only; add: channel = "{DELIVERY}"')
    return {"channel": channel}


def _mail(section: Section) -> dict[str, Any]:
    """Who gets each note by mail; Amazon tells no buyer's address."""
    given = section.values.get("to")
    to = [given] if isinstance(given, str) else given
    if not isinstance(to, list) or not 0 < len(to) <= MOST_ADDRESSES:
        raise section.mistake("to", f"names one mail address, or a list of up to {MOST_ADDRESSES}")
    reply_to = section.values.get("reply_to", "")
    for field, address in [*(("to", one) for one in to), *([("reply_to", reply_to)] if reply_to else [])]:
        if not isinstance(address, str) or not ADDRESS.fullmatch(address):
            raise section.mistake(field, "holds something that is no mail address")
    return {"to": to, "reply_to": reply_to}


def _webhook(section: Section) -> dict[str, Any]:
    """What program gets each note."""
    url = section.text("url")
    if not is_private(url):
        raise section.mistake("url", "must be an https:// address, or http:// on loopback: the note is the buyer's")
    return {"url": url, "secret": section.secret("secret")}


def register(tools: Tools, path: Path, *, actor: str) -> tuple[SellerFile, int]:
    """Add the file's seller, or replace what is known of it; returns it, and how many shipments are due again."""
    read = read_seller(path)
    if read.key.is_expired(tools.store.now()):
        raise Invalid("certificate-expired", f"the A1 certificate ended on {read.key.not_valid_after.date()}; renew it")
    issuer = read.issuer
    values = {
        "id": issuer.seller_id,
        "name": issuer.name,
        "cnpj": issuer.cnpj,
        "issuer": issuer.model_dump(mode="json", exclude_none=True),
        "certificate_until": read.key.not_valid_after,
    }
    return read, tools.catalog.put_seller(values, secrets=read.secrets.dump(), actor=actor)
