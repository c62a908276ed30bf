"""The certificates have the shape of ICP-Brasil's and stay private."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from workflow.nfe.certificate import load_pfx
from workflow.sandbox import certificates

from .conftest import PASSWORD, key_of


def test_an_a1_names_its_company_twice(folder: Path) -> None:
    key = key_of(folder, "12ABC34501DE35")
    assert key.cnpj == "12ABC34501DE35"
    assert key.certificate.subject.rfc4514_string().startswith("CN=LOJA DE DEMONSTRACAO LTDA:12ABC34501DE35")
    assert isinstance(key.private_key, rsa.RSAPrivateKey)
    assert key.private_key.key_size == 2048
    assert not key.is_expired(datetime.now(UTC))
    assert key.chain == (certificates.authority(folder).certificate,)


def test_an_expired_one_on_demand(folder: Path) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    assert key_of(folder, not_valid_after=yesterday).is_expired(datetime.now(UTC))


def test_the_authority_is_made_once_and_its_key_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    first, second = certificates.authority(folder), certificates.authority(folder)
    assert first.certificate == second.certificate
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
    pfx = certificates.seller_pfx(second, cnpj="99999999000191", name="X" * 90, password=PASSWORD)
    certificates.write_private(folder / "a1.pfx", pfx)
    assert (folder / "a1.pfx").stat().st_mode & 0o777 == 0o600
    assert load_pfx(pfx, PASSWORD).cnpj == "99999999000191"
