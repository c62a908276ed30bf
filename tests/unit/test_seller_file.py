"""People's files: good ones are read whole, each mistake is told in one line with its place."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import CNPJ
from workflow.errors import Invalid
from workflow.seller_file import SellerFile, read_seller
from workflow.tools import SellerSecrets

SELLER = f"""
seller_id = "A1TESTSELLER"
name = "Loja Teste Ltda"
cnpj = "{CNPJ}"
ie = "110042490114"
crt = 1
tpAmb = 2

[address]
street = "Rua Teste"
number = 100
district = "Centro"
city = "São Paulo"
uf = "SP"
cep = "01001-000"

[certificate]
file = "a1.pfx"
password = "secret"

[amazon]
refresh_token = "Atzr|hidden"
"""

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, a1_pfx: bytes) -> Write:
    """The seller's file, with a text in it replaced by another."""

    def written(*changes: tuple[str, str]) -> Path:
        text = SELLER
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "a1.pfx").write_bytes(a1_pfx)
        path = tmp_path / "seller.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return written


def mistake(path: Path) -> Invalid:
    with pytest.raises(Invalid) as raised:
        read_seller(path)
    assert raised.value.message.startswith(f"{path}: ")
    assert "\n" not in raised.value.message
    return raised.value


# -- the seller's TOML --------------------------------------------------------------------------------------


def test_a_good_file_is_a_seller_its_secrets_and_its_key(write: Write, a1_pfx: bytes) -> None:
    issuer, secrets, key = read_seller(write())
    assert (issuer.seller_id, issuer.cnpj, issuer.tpAmb) == ("A1TESTSELLER", CNPJ, 2)
    assert (issuer.address.city_code, issuer.address.cep, issuer.address.number) == ("3550308", "01001000", "100")
    assert (secrets.pfx, secrets.pfx_password, secrets.refresh_token) == (a1_pfx, "secret", "Atzr|hidden")
    assert (secrets.client_id, secrets.client_secret) == ("", "")
    assert key.belongs_to(CNPJ)


def test_what_is_sealed_of_a_file_can_be_read_again(write: Write) -> None:
    read = read_seller(write())
    assert SellerSecrets.load(read.secrets.dump()) == read.secrets


def test_no_secret_stands_in_what_is_stored_open(write: Write) -> None:
    resp_tec = (
        '[resp_tec]\ncnpj = "11222333000181"\ncontact = "Ana"\nemail = "a@b.example"\nphone = "1133334444"\n'
        'id_csrt = "01"\ncsrt = "hidden-csrt"\n\n[amazon]'
    )
    read = read_seller(write(("[amazon]", resp_tec)))
    stored = str(read.issuer.model_dump(mode="json"))
    assert "hidden" not in stored
    assert b"hidden-csrt" in read.secrets.dump()


def test_invoices_are_handed_in_by_shipment_invoicing_unless_the_file_says_otherwise(write: Write) -> None:
    default = read_seller(write()).secrets
    assert default.channel == "shipment-invoicing"
    token = 'refresh_token = "Atzr|hidden"'
    chosen = read_seller(write((token, f'{token}\nchannel = "delivery"\nprogram = "EasyShip"'))).secrets
    assert (chosen.channel, chosen.program, chosen.invoice_type) == ("delivery", "EasyShip", "Outbound")


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ('channel = "pigeon"', "amazon.channel is none of shipment-invoicing, delivery"),
        ("channel = 1", "amazon.channel is missing or no text"),
        ('channel = "delivery"', "amazon.program is missing or no text"),
        ('channel = "delivery"\nprogram = "easyship"', "amazon.program is none of EasyShip, FbaOnSite, SelfShip"),
        ('channel = "delivery"\nprogram = "SelfShip"\ninvoice_type = "Inbound"', "amazon.invoice_type is none of Out"),
        ('program = "SelfShip"', 'amazon.program is of channel "delivery" only'),
    ],
)
def test_a_wrong_channel_is_told_with_its_field(write: Write, lines: str, says: str) -> None:
    error = mistake(write(("[amazon]", f"[amazon]\n{lines}")))
    assert error.code == "bad-seller"
    assert says in error.message


def test_a_seller_sealed_before_there_were_channels_can_still_be_read(write: Write) -> None:
    kept = read_seller(write()).secrets
    old = json.loads(kept.dump())
    for name in ("channel", "program", "invoice_type"):
        del old[name]
    assert SellerSecrets.load(json.dumps(old).encode()) == kept


@pytest.mark.parametrize(
    ("old", "new", "code", "says"),
    [
        ('name = "Loja Teste Ltda"', "", "bad-issuer", "name: Field required"),
        (f'"{CNPJ}"', '"11111111111111"', "bad-issuer", "cnpj: must be a CNPJ"),
        (f'"{CNPJ}"', '"12345"', "bad-issuer", "cnpj: must be a CNPJ"),
        ("crt = 1", "crt = 9", "bad-issuer", "crt: "),
        ("crt = 1", 'crt = "one"', "bad-issuer", "crt: "),
        ("tpAmb = 2", "tpAmb = 3", "bad-issuer", "tpAmb: "),
        ("tpAmb = 2", "tpamb = 2", "bad-issuer", "tpamb: Extra inputs"),
        ("tpAmb = 2", "serie = 900", "bad-issuer", "serie: "),
        ("tpAmb = 2", "tpAmb = 2026-11-22", "bad-issuer", "tpAmb: "),
        ('"01001-000"', '"0100"', "bad-issuer", "address.cep: "),
        ('"São Paulo"', '"Atlantis"', "bad-issuer", "address: uf and city name no municipality"),
        ('uf = "SP"', 'uf = "XX"', "bad-issuer", "address: uf and city name no municipality"),
        ('uf = "SP"', "", "bad-issuer", "address: "),
        ("[address]", "[adress]", "bad-issuer", "address: Field required"),
        ("[certificate]", "[certificates]", "bad-seller", "the section [certificate] is missing"),
        ("[amazon]", "[amazonia]", "bad-seller", "the section [amazon] is missing"),
        ('file = "a1.pfx"', "", "bad-seller", "certificate.file is missing"),
        ('file = "a1.pfx"', "file = 7", "bad-seller", "certificate.file is missing or no text"),
        ('file = "a1.pfx"', 'file = "none.pfx"', "unreadable-file", "certificate.file: none.pfx: No such file"),
        ('file = "a1.pfx"', 'file = "."', "unreadable-file", "certificate.file: .: Is a directory"),
        ('file = "a1.pfx"', 'file = "a\\u0000b"', "unreadable-file", "certificate.file: "),
        ('file = "a1.pfx"', 'file = "seller.toml"', "not-a-pfx", "is not a PFX"),
        ('password = "secret"', 'password = "wrong"', "wrong-password", "the password does not open the PFX"),
        ('password = "secret"', "password = 1234", "bad-seller", "certificate.password is missing or no text"),
        ('password = "secret"', "", "bad-seller", "certificate.password is missing"),
        ('refresh_token = "Atzr|hidden"', "", "bad-seller", "amazon.refresh_token is missing"),
        ('refresh_token = "Atzr|hidden"', 'refresh_token = ""', "bad-seller", "amazon.refresh_token is missing"),
        ('"Atzr|hidden"', '"x"\nclient_id = "app"', "bad-seller", "amazon.client_secret is missing"),
        (f'"{CNPJ}"', '"11222333000181"', "foreign-certificate", "not of CNPJ 11222333000181"),
        ("[address]", "[address", "bad-seller", "no TOML: "),
        ("crt = 1", "crt = 1\ncrt = 2", "bad-seller", "no TOML: "),
    ],
)
def test_each_mistake_names_the_file_and_the_field(write: Write, old: str, new: str, code: str, says: str) -> None:
    error = mistake(write((old, new)))
    assert error.code == code
    assert says in error.message
    assert "hidden" not in error.message


def test_all_wrong_fields_are_told_at_once(write: Write) -> None:
    error = mistake(write(("crt = 1", "crt = 9"), ("tpAmb = 2", "tpAmb = 3")))
    assert "crt: " in error.message
    assert "tpAmb: " in error.message


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    assert mistake(tmp_path / "none.toml").code == "unreadable-file"


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert mistake(tmp_path).code == "unreadable-file"


def test_a_file_of_another_encoding_is_told(write: Write) -> None:
    path = write()
    path.write_bytes(path.read_text(encoding="utf-8").encode("latin-1"))
    assert mistake(path).code == "unreadable-file"


def test_a_branchs_certificate_serves_the_whole_company(write: Write) -> None:
    """The first eight of the CNPJ are the company's."""
    assert isinstance(read_seller(write((f'"{CNPJ}"', '"99999999000272"'))), SellerFile)


# -- secrets that stand elsewhere ---------------------------------------------------------------------------


def test_a_secret_may_stand_in_a_file_beside_the_toml(write: Write, tmp_path: Path) -> None:
    (tmp_path / "pw").write_text("secret\n")
    (tmp_path / "token").write_text("Atzr|from-file\n")
    path = write(
        ('password = "secret"', 'password_file = "pw"'),
        ('refresh_token = "Atzr|hidden"', f'refresh_token_file = "{tmp_path / "token"}"'),
    )
    secrets = read_seller(path).secrets
    assert (secrets.pfx_password, secrets.refresh_token) == ("secret", "Atzr|from-file")


def test_a_secret_may_stand_in_the_environment(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A1_PASSWORD", "secret")
    monkeypatch.setenv("APP_SECRET", "of-the-application")
    path = write(
        ('password = "secret"', 'password_env = "A1_PASSWORD"'),
        ('"Atzr|hidden"', '"Atzr|x"\nclient_id = "app"\nclient_secret_env = "APP_SECRET"'),
    )
    secrets = read_seller(path).secrets
    assert (secrets.pfx_password, secrets.client_id, secrets.client_secret) == ("secret", "app", "of-the-application")


@pytest.mark.parametrize(
    ("new", "says"),
    [
        ('password_env = "NO_SUCH_VARIABLE"', "certificate.password_env: the variable NO_SUCH_VARIABLE is not set"),
        ('password_file = "none"', "certificate.password_file: none: No such file"),
        ("password_env = 7", "certificate.password_env is missing or no text"),
        ("password_file = 7", "certificate.password_file is missing or no text"),
    ],
)
def test_a_secret_that_stands_nowhere_is_told(write: Write, new: str, says: str) -> None:
    assert says in mistake(write(('password = "secret"', new))).message


# -- who gets each note -------------------------------------------------------------------------------------

HANDED_ON = ("[amazon]", '[buyer_mail]\nto = {to}\n\n[buyer_webhook]\nurl = "{url}"\nsecret = "s"\n\n[amazon]')


def wanting(to: str = '"notas@loja.example"', url: str = "https://loja.example/nfe") -> tuple[str, str]:
    return HANDED_ON[0], HANDED_ON[1].format(to=to, url=url)


def test_a_seller_may_want_its_notes_by_mail_and_by_webhook(write: Write) -> None:
    secrets = read_seller(write(wanting('["a@loja.example", "b@loja.example"]'))).secrets
    assert secrets.buyer_mail == {"to": ["a@loja.example", "b@loja.example"], "reply_to": ""}
    assert secrets.buyer_webhook == {"url": "https://loja.example/nfe", "secret": "s"}
    assert SellerSecrets.load(secrets.dump()) == secrets
    plain = read_seller(write()).secrets
    assert (plain.buyer_mail, plain.buyer_webhook) == (None, None)


@pytest.mark.parametrize(
    "to", ["[]", "7", '""', '["a@b.example", "no address"]', '"a@b.example\\nBcc: c@d.example"', '"a@localhost"']
)
def test_what_is_no_mail_address_is_told(write: Write, to: str) -> None:
    assert "buyer_mail.to" in mistake(write(wanting(to))).message


def test_a_note_goes_to_no_address_that_others_on_the_way_can_read(write: Write) -> None:
    assert "buyer_webhook.url must be an https" in mistake(write(wanting(url="http://loja.example/nfe"))).message
    assert read_seller(write(wanting(url="http://127.0.0.1:8000/nfe"))).secrets.buyer_webhook


def test_a_section_that_is_none_is_told(write: Write) -> None:
    assert "buyer_mail is no section" in mistake(write(("tpAmb = 2", 'tpAmb = 2\nbuyer_mail = "a@b.example"'))).message
