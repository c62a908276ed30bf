"""What every test may use: our flags, who runs beside whom, and a throw-away A1 certificate."""

from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from workflow.nfe.certificate import SigningKey, load_pfx

#: The holder of the throw-away certificate, and the issuer of the tests' invoices.
CNPJ = "99999999000191"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Tell pytest our flags."""
    parser.addoption("--rewrite-golden", action="store_true", help="write tests/golden/expected anew")
    parser.addoption(
        "--rewrite-screenshots", action="store_true", help="take tests/acceptance/screenshots anew, for README"
    )
    faults = parser.getgroup("faults", "tests/acceptance/faults")
    faults.addoption(
        "--long-faults", action="store_true", help="each fault by itself, on both databases, several times"
    )
    faults.addoption("--fault-shipments", type=int, metavar="N", help="shipments of each run")
    faults.addoption("--fault-runs", type=int, metavar="N", default=1, help="how often each is run")
    faults.addoption("--write-fault-table", action="store_true", help="put what was counted into the README")
    model = parser.getgroup("model", "tests/integration/test_model.py")
    model.addoption("--model-minutes", type=float, metavar="N", help="search for so long for a broken promise")
    model.addoption("--model-seed", type=int, metavar="SEED", help="search once, as a failure told it")


#: Files whose tests look at one long run: they stay in one process.
TOGETHER = ("tests/acceptance/test_demo.py",)
#: Here those of one database share a long run.
FAULTS = "tests/acceptance/faults/"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hand out tests one by one, so that the long ones are spread; pytest-xdist's own groups know no pytest 9.2."""
    from xdist.scheduler import LoadScopeScheduling

    class OneByOne(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::")[0]
            if file.startswith(FAULTS):
                return FAULTS + nodeid.partition("[")[2].partition("-")[0]
            return file if file in TOGETHER else nodeid

    return OneByOne(config, log)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Tell how much a long search has tried."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "searched":
                terminalreporter.write_line(f"{report.nodeid}: {value}")


def made_pfx() -> bytes:
    """A new self-signed A1 certificate as a PFX whose password is `secret`."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.COUNTRY_NAME, "BR"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, f"EMPRESA TESTE LTDA:{CNPJ}"),
        ]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2060, 1, 1, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    return pkcs12.serialize_key_and_certificates(b"a1", key, certificate, None, BestAvailableEncryption(b"secret"))


@pytest.fixture(scope="session")
def a1_pfx() -> bytes:
    """The tests' certificate."""
    return made_pfx()


@pytest.fixture(scope="session")
def signing_key(a1_pfx: bytes) -> SigningKey:
    """The parsed key of that certificate."""
    return load_pfx(a1_pfx, "secret")


@pytest.fixture(scope="session")
def renewed_key() -> SigningKey:
    """That of the certificate after it."""
    return load_pfx(made_pfx(), "secret")
