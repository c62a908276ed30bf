"""The file of a seller that people write, as TOML: each mistake is told with the field it is in."""

import os
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from workflow.errors import Invalid
from workflow.nfe.certificate import SigningKey, load_pfx
from workflow.nfe.invoice import Issuer
from workflow.tools import SellerSecrets, Tools


class SellerFile(NamedTuple):
    """A seller as its file says: the issuer, what is to be sealed, and the A1 key."""

    issuer: Issuer
    secrets: SellerSecrets
    key: SigningKey


def read_seller(path: Path) -> SellerFile:
    """Read `FILE.toml`; raise Invalid with the file and the field that is wrong or missing.

    Top level and [address]: the fields of `Issuer`. [certificate]: `file` (PFX, relative to the TOML) and `password`.
    [amazon]: `refresh_token`, and `client_id`, `client_secret` where the seller has an application of its own.
    A secret may be given as `…_file` or `…_env` instead.
    """
    try:
        return _read_seller(path)
    except Invalid as error:
        raise Invalid(error.code, f"{path}: {error.message}") from error


def _read_seller(path: Path) -> SellerFile:
    values = _toml(path)
    certificate, amazon = _section(values, "certificate"), _section(values, "amazon")
    issuer = Issuer.parse(values)
    pfx = _content(path.parent, _text(certificate, "certificate", "file"), "certificate.file")
    password = _secret(certificate, "certificate", "password", path.parent)
    key = load_pfx(pfx, password)
    if not key.belongs_to(issuer.cnpj):
        raise Invalid("foreign-certificate", f"the A1 certificate is not of CNPJ {issuer.cnpj}: SEFAZ refuses (213)")
    secrets = SellerSecrets(
        issuer=values,
        pfx=pfx,
        pfx_password=password,
        refresh_token=_secret(amazon, "amazon", "refresh_token", path.parent),
        client_id=str(amazon.get("client_id", "")),
        client_secret=_secret(amazon, "amazon", "client_secret", path.parent, needed="client_id" in amazon),
    )
    return SellerFile(issuer, secrets, key)


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
    tools.catalog.put_seller(values, secrets=read.secrets.dump())
    return read, tools.catalog.resume_seller(issuer.seller_id, actor=actor)


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid("unreadable-file", "cannot be read; check the path") from error
    except tomllib.TOMLDecodeError as error:
        raise Invalid("bad-seller", f"no TOML: {error}") from error


def _section(values: dict[str, Any], name: str) -> dict[str, Any]:
    section = values.pop(name, None)
    if not isinstance(section, dict):
        raise Invalid("bad-seller", f"the section [{name}] is missing")
    return section


def _text(section: dict[str, Any], name: str, field: str) -> str:
    value = section.get(field)
    if not isinstance(value, str) or not value:
        raise Invalid("bad-seller", f"{name}.{field} is missing or no text")
    return value


def _secret(section: dict[str, Any], name: str, field: str, folder: Path, *, needed: bool = True) -> str:
    """A secret given as itself, as a file's content or as an environment variable."""
    if f"{field}_file" in section:
        content = _content(folder, _text(section, name, f"{field}_file"), f"{name}.{field}_file")
        return content.decode(errors="replace").strip()
    if f"{field}_env" in section:
        variable = _text(section, name, f"{field}_env")
        value = os.environ.get(variable)
        if value is None:
            raise Invalid("bad-seller", f"{name}.{field}_env: the variable {variable} is not set")
        return value
    if field not in section and not needed:
        return ""
    return _text(section, name, field)


def _content(folder: Path, file: str, field: str) -> bytes:
    try:
        return (folder / Path(file).expanduser()).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no path"
        raise Invalid("unreadable-file", f"{field}: {file}: {reason}; check the path") from error
