"""The file of a seller that people write, as TOML: each mistake is told with the field it is in."""

from pathlib import Path
from typing import NamedTuple

from workflow.clients.delivery import INVOICE_TYPES, PROGRAMS
from workflow.clients.selling_partner import HOSTS
from workflow.errors import Invalid
from workflow.nfe.certificate import SigningKey, load_pfx
from workflow.nfe.invoice import Issuer
from workflow.toml_file import Section, TomlFile
from workflow.tools import CHANNELS, DELIVERY, SHIPMENT_INVOICING, SellerSecrets, Tools


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
    `invoice_type`. A secret may be given as `…_file` or `…_env` instead.
    """
    try:
        return _read_seller(path)
    except Invalid as error:
        raise Invalid(error.code, f"{path}: {error.message}") from error


def _read_seller(path: Path) -> SellerFile:
    file = TomlFile(path, "bad-seller")
    certificate, amazon = file.take_section("certificate"), file.take_section("amazon")
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
