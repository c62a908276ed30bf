"""The local SEFAZ decides in SEFAZ's order, with its codes, and forgets nothing."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from lxml import etree

from workflow.nfe import schema
from workflow.nfe.access_key import check_digit
from workflow.nfe.certificate import SigningKey, load_pfx
from workflow.nfe.signature import digest_value, sign
from workflow.sandbox import certificates
from workflow.sandbox.sefaz_book import SefazBook
from workflow.sandbox.server import Started
from workflow.sandbox.shipments import SELLER_CNPJ

from .conftest import NFE, PASSWORD, Draw, Seller, batch, decided, key_in, key_of, pem_file, unsigned

STATUS = (
    '<consStatServ xmlns="http://www.portalfiscal.inf.br/nfe" versao="4.00"><tpAmb>2</tpAmb><cUF>35</cUF>'
    "<xServ>STATUS</xServ></consStatServ>"
)


def test_nobody_enters_without_a_certificate_of_the_authority(
    sefaz: Started[SefazBook], seller: Seller, tmp_path: Path
) -> None:
    url, trust = f"{sefaz.url}/ws/NFeStatusServico4", sefaz.announcement.ca_file
    stranger = key_of(tmp_path / "elsewhere")
    for cert in (None, pem_file(stranger, tmp_path / "stranger.pem")):
        with pytest.raises(requests.ConnectionError):
            requests.post(url, data=b"", cert=cert, verify=trust, timeout=5)
    assert decided(seller.ask("NFeStatusServico4", STATUS)) == "107"


def test_an_expired_certificate_does_not_enter(sefaz: Started[SefazBook], folder: Path, tmp_path: Path) -> None:
    expired = key_of(folder, not_valid_after=datetime.now(UTC) - timedelta(days=1))
    with pytest.raises(requests.ConnectionError):
        requests.post(
            f"{sefaz.url}/ws/NFeStatusServico4",
            cert=pem_file(expired, tmp_path / "expired.pem"),
            verify=sefaz.announcement.ca_file,
            timeout=5,
        )


def test_a_good_note_is_authorised_and_stays_so(seller: Seller, note: Draw) -> None:
    nfe = note()
    result = seller.ask("NFeAutorizacao4", batch(nfe))
    schema.validate(etree.tostring(result), "retEnviNFe")
    infProt = result.find(f"{NFE}protNFe/{NFE}infProt")
    assert infProt is not None
    assert (result.findtext(NFE + "cStat"), decided(result)) == ("104", "100")
    assert infProt.findtext(NFE + "digVal") == digest_value(nfe)
    assert len(infProt.findtext(NFE + "nProt") or "") == 15
    found = seller.consult(key_in(nfe))
    schema.validate(etree.tostring(found), "retConsSitNFe")
    assert found.findtext(NFE + "cStat") == "100"
    assert found.findtext(f".//{NFE}nProt") == infProt.findtext(NFE + "nProt")
    book = requests.get(f"{seller.sefaz.control_url}/_control/book", timeout=5).json()
    entry = book["authorised"][key_in(nfe)]
    assert (entry["cnpj"], entry["serie"], entry["nNF"]) == (SELLER_CNPJ, 1, 1)
    assert book["counts"] == {"NFeAutorizacao4": 1, "NFeConsultaProtocolo4": 1}
    assert book["requests"][0]["keys"] == [key_in(nfe)]


def test_production_is_refused(seller: Seller, note: Draw) -> None:
    assert seller.authorize(note(tpAmb="1")) == "252"
    assert decided(seller.ask("NFeStatusServico4", STATUS.replace("<tpAmb>2", "<tpAmb>1"))) == "252"


@pytest.mark.parametrize(
    ("cStat", "edits"),
    [
        ("502", {"ide_cNF": "48210938"}),
        ("598", {"dest_xNome": "Fulano da Silva"}),
        ("237", {"dest_CPF": "11111111111"}),
        ("590", {"emit_CRT": "4", "PISOutr_CST": "49"}),
        ("629", {"prod_vUnCom": "1.00"}),
        ("564", {"ICMSTot_vProd": "1.00"}),
        ("610", {"ICMSTot_vNF": "1.00"}),
        ("591", {"emit_CRT": "3"}),
    ],
)
def test_a_wrong_field_gets_its_code(seller: Seller, note: Draw, cStat: str, edits: dict[str, str]) -> None:
    if cStat == "590":
        # A CST in place of the CSOSN.
        xml = unsigned(**edits)
        root = etree.fromstring(xml)
        group = root.find(f".//{NFE}ICMSSN102")
        assert group is not None
        group.tag = NFE + "ICMS40"
        csosn = group.find(NFE + "CSOSN")
        assert csosn is not None
        csosn.tag, csosn.text = NFE + "CST", "41"
        nfe = sign(etree.tostring(root), seller.key)
    else:
        nfe = note(**edits)
    assert seller.authorize(nfe) == cStat
    assert key_in(nfe) not in seller.sefaz.book.by_key


def test_a_wrong_check_digit_is_253(seller: Seller) -> None:
    xml = unsigned()
    key = key_in(xml)
    wrong = str((int(check_digit(key[:43])) + 1) % 10)
    changed = xml.replace(key.encode(), (key[:43] + wrong).encode()).replace(
        f"<cDV>{key[43]}</cDV>".encode(), f"<cDV>{wrong}</cDV>".encode()
    )
    assert seller.authorize(sign(changed, seller.key)) == "253"


def test_the_intermediary_goes_with_the_presence(seller: Seller, note: Draw) -> None:
    for tag, cStat in (("indIntermed", "434"), ("infIntermed", "438")):
        root = etree.fromstring(unsigned())
        element = root.find(f".//{NFE}{tag}")
        assert element is not None
        parent = element.getparent()
        assert parent is not None
        parent.remove(element)
        assert seller.authorize(sign(etree.tostring(root), seller.key)) == cStat


@pytest.mark.parametrize(
    ("age", "cStat"),
    [(timedelta(minutes=-6), "703"), (timedelta(days=31), "228"), (timedelta(days=8), "150"), (timedelta(), "100")],
)
def test_the_moment_of_emission_counts(seller: Seller, note: Draw, age: timedelta, cStat: str) -> None:
    assert seller.authorize(note(dhEmi=datetime.now(UTC) - age)) == cStat


def test_the_signature_must_fit_the_document_and_the_issuer(
    seller: Seller, note: Draw, folder: Path, tmp_path: Path
) -> None:
    assert seller.authorize(note().replace(b"Venda de mercadoria", b"Venda de Mercadoria")) == "297"
    assert seller.authorize(note(key=key_of(folder, "15436940000103"))) == "213"
    expired = key_of(folder, not_valid_after=datetime.now(UTC) - timedelta(days=1))
    assert seller.authorize(note(key=expired)) == "291"
    stranger = certificates.seller_pfx(certificates.make_authority(), cnpj=SELLER_CNPJ, name="X", password=PASSWORD)
    assert seller.authorize(note(key=load_pfx(stranger, PASSWORD))) == "293"
    seller.control("settings", {"chain": False})
    assert seller.authorize(note(key=load_pfx(stranger, PASSWORD))) == "100"


def test_the_data_area_is_checked_first(seller: Seller, note: Draw) -> None:
    nfe = note()
    cases = {
        "225": batch(nfe).replace("<mod>55</mod>", "<mod>56</mod>"),
        "452": batch(nfe, indSinc="0"),
        "764": batch(nfe, note(2)),
        "516": STATUS,
        "588": batch(nfe).replace("<ide>", "<ide>\n"),
        "404": batch(nfe).replace("<enviNFe xmlns=", "<n:enviNFe xmlns:n=").replace("</enviNFe>", "</n:enviNFe>"),
    }
    for cStat, message in cases.items():
        if cStat == "404":
            message = message.replace("<idLote>1</idLote>", "<n:idLote>1</n:idLote>")
            message = message.replace("<indSinc>1</indSinc>", "<n:indSinc>1</n:indSinc>")
        result = seller.ask("NFeAutorizacao4", message)
        assert (result.tag, decided(result)) == (NFE + "retEnviNFe", cStat)
    assert decided(seller.ask("NFeAutorizacao4", "<enviNFe", wrapped=False)) == "243"
    assert decided(seller.ask("NFeAutorizacao4", batch(nfe) + " " * 600_000)) == "214"
    assert not seller.sefaz.book.by_key


def test_a_schema_fault_names_no_value(seller: Seller, note: Draw) -> None:
    result = seller.ask("NFeAutorizacao4", batch(note(dest_CPF="123")))
    assert decided(result) == "225"
    assert "123" not in (result.findtext(f".//{NFE}xMotivo") or "")


def test_the_same_key_again_is_204_with_its_protocol(seller: Seller, note: Draw) -> None:
    nfe = note()
    assert [seller.authorize(nfe), seller.authorize(nfe)] == ["100", "204"]
    nProt = seller.sefaz.book.by_key[key_in(nfe)].nProt
    assert nProt in (seller.ask("NFeAutorizacao4", batch(nfe)).findtext(f".//{NFE}infProt/{NFE}xMotivo") or "")
    seller.control("settings", {"duplicate_with_protocol": True})
    assert seller.authorize(nfe) == "100"


def test_the_same_number_with_another_key_is_539_and_names_the_key(seller: Seller, note: Draw) -> None:
    first, second = note(), note(cNF="11223344")
    seller.authorize(first)
    result = seller.ask("NFeAutorizacao4", batch(second))
    assert decided(result) == "539"
    assert key_in(first) in (result.findtext(f".//{NFE}infProt/{NFE}xMotivo") or "")
    assert decided(seller.consult(key_in(second))) == "562"


def test_a_rejected_number_stays_free(seller: Seller, note: Draw) -> None:
    assert seller.authorize(note(dest_CPF="11111111111")) == "237"
    assert seller.authorize(note(cNF="11223344")) == "100"


def test_a_refusal_on_demand_is_used_up(seller: Seller, note: Draw) -> None:
    seller.control("refusals", {"match": "1", "cStat": "232", "times": 1})
    seller.control("refusals", {"match": "7", "cStat": "9999", "xMotivo": "Rejeicao: um teste"})
    assert [seller.authorize(note()), seller.authorize(note())] == ["232", "100"]
    result = seller.ask("NFeAutorizacao4", batch(note(7)))
    assert result.findtext(f".//{NFE}infProt/{NFE}xMotivo") == "Rejeicao: um teste"


def test_a_refusal_can_name_the_buyer(seller: Seller, note: Draw) -> None:
    nfe = note()
    cpf = etree.fromstring(nfe).findtext(f".//{NFE}dest/{NFE}CPF")
    seller.control("refusals", {"match": cpf, "cStat": "232"})
    assert seller.authorize(nfe) == "232"


def test_more_than_ten_queries_of_a_key_block_the_service(seller: Seller, note: Draw) -> None:
    key = key_in(note())
    assert [decided(seller.consult(key)) for _ in range(12)] == ["217"] * 10 + ["656"] * 2
    other = key_in(note(2))
    assert decided(seller.consult(other)) == "656"
    assert seller.authorize(note()) == "100"
    seller.control("settings", {"misuse": False})
    assert decided(seller.consult(other)) == "217"


def test_more_than_thirty_equal_rejections_block_the_service(seller: Seller, note: Draw) -> None:
    bad = note(dest_CPF="11111111111")
    assert [seller.authorize(bad) for _ in range(31)] == ["237"] * 30 + ["656"]
    assert seller.authorize(note(2)) == "656"


def test_a_cancellation_is_registered_once(seller: Seller, note: Draw) -> None:
    nfe = note()
    seller.authorize(nfe)
    nProt = seller.sefaz.book.by_key[key_in(nfe)].nProt
    assert decided(seller.cancel(nfe, "1" * 15)) == "222"
    result = seller.cancel(nfe, nProt)
    schema.validate(etree.tostring(result), "retEnvEventoCancNFe")
    assert (result.findtext(NFE + "cStat"), decided(result)) == ("128", "135")
    found = seller.consult(key_in(nfe))
    schema.validate(etree.tostring(found), "retConsSitNFe")
    assert found.findtext(NFE + "cStat") == "101"
    procEventoNFe = found.find(NFE + "procEventoNFe")
    assert procEventoNFe is not None
    schema.validate(etree.tostring(procEventoNFe), "procEventoCancNFe")
    assert decided(seller.cancel(nfe, nProt)) == "573"
    assert seller.authorize(nfe) == "218"
    assert seller.authorize(note(cNF="11223344")) == "539"


def test_a_company_whose_cnpj_has_letters_is_served(seller: Seller, note: Draw, folder: Path) -> None:
    cnpj = "12ABC34501DE35"
    seller.key = key_of(folder, cnpj)
    nfe = note(key=seller.key, cnpj=cnpj)
    assert seller.authorize(nfe) == "100"
    assert seller.consult(key_in(nfe)).findtext(NFE + "cStat") == "100"
    nProt = seller.sefaz.book.by_key[key_in(nfe)].nProt
    assert decided(seller.cancel(nfe, nProt, cnpj=cnpj)) == "135"
    assert decided(seller.cancel(nfe, nProt, cnpj=cnpj, justification="x" * 300)) == "573"


def test_a_cancellation_has_a_deadline(seller: Seller, note: Draw) -> None:
    nfe = note()
    seller.authorize(nfe)
    nProt = seller.sefaz.book.by_key[key_in(nfe)].nProt
    seller.control("settings", {"cancel_seconds": 0})
    assert decided(seller.cancel(nfe, nProt)) == "501"
    seller.control("settings", {"late_cancel": True})
    assert decided(seller.cancel(nfe, nProt)) == "155"


def test_a_cancellation_must_be_of_a_known_note_now_and_by_its_issuer(seller: Seller, note: Draw, folder: Path) -> None:
    nfe, nProt = note(), "1" * 15
    assert decided(seller.cancel(nfe, nProt)) == "494"
    seller.authorize(nfe)
    nProt = seller.sefaz.book.by_key[key_in(nfe)].nProt
    later, earlier = datetime.now(UTC) + timedelta(minutes=9), datetime.now(UTC) - timedelta(minutes=9)
    assert decided(seller.cancel(nfe, nProt, dhEvento=later)) == "578"
    assert decided(seller.cancel(nfe, nProt, dhEvento=earlier)) == "579"
    assert decided(seller.cancel(nfe, nProt, cnpj="15436940000103")) == "213"
    seller.key = key_of(folder, "15436940000103")
    assert decided(seller.cancel(nfe, nProt, cnpj="15436940000103")) == "574"


def void(seller: Seller, first: int, last: int) -> str:
    """Void a range of numbers; its cStat."""
    year = f"{datetime.now(UTC):%y}"
    identity = f"ID35{year}{SELLER_CNPJ}55001{first:09d}{last:09d}"
    xml = (
        '<inutNFe xmlns="http://www.portalfiscal.inf.br/nfe" versao="4.00">'
        f'<infInut Id="{identity}"><tpAmb>2</tpAmb><xServ>INUTILIZAR</xServ><cUF>35</cUF><ano>{year}</ano>'
        f"<CNPJ>{SELLER_CNPJ}</CNPJ><mod>55</mod><serie>1</serie><nNFIni>{first}</nNFIni><nNFFin>{last}</nNFFin>"
        "<xJust>Numeros reservados e nao usados</xJust></infInut></inutNFe>"
    )
    result = seller.ask("NFeInutilizacao4", sign(xml.encode(), seller.key))
    schema.validate(etree.tostring(result), "retInutNFe")
    return decided(result)


def test_numbers_are_voided_once_and_never_used_again(seller: Seller, note: Draw) -> None:
    seller.authorize(note(9))
    assert [void(seller, 2, 3), void(seller, 2, 3), void(seller, 3, 4), void(seller, 8, 9)] == [
        *("102", "563", "256", "241"),
    ]
    assert seller.authorize(note(3)) == "206"


def test_the_service_can_be_paralysed(seller: Seller, note: Draw) -> None:
    seller.control("settings", {"service": "108"})
    result = seller.ask("NFeStatusServico4", STATUS)
    schema.validate(etree.tostring(result), "retConsStatServ")
    assert [decided(result), seller.authorize(note())] == ["108", "108"]


def test_too_many_questions_for_the_status_are_656(seller: Seller) -> None:
    seller.control("settings", {"status_limit": 3})
    assert [decided(seller.ask("NFeStatusServico4", STATUS)) for _ in range(5)] == ["107"] * 3 + ["656"] * 2


def test_no_receipt_is_known(seller: Seller) -> None:
    asked = (
        '<consReciNFe xmlns="http://www.portalfiscal.inf.br/nfe" versao="4.00"><tpAmb>2</tpAmb>'
        "<nRec>351000000000001</nRec></consReciNFe>"
    )
    assert decided(seller.ask("NFeRetAutorizacao4", asked)) == "106"


def test_some_units_answer_in_soap_1_1(seller: Seller) -> None:
    assert b"2003/05/soap-envelope" in seller.post("NFeStatusServico4", STATUS).content
    seller.control("settings", {"soap": "1.1"})
    answer = seller.post("NFeStatusServico4", STATUS)
    assert b"schemas.xmlsoap.org/soap/envelope" in answer.content
    assert answer.headers["Content-Type"].startswith("text/xml")


def test_a_protocol_may_come_without_digVal(seller: Seller, note: Draw) -> None:
    seller.control("settings", {"dig_val": False})
    result = seller.ask("NFeAutorizacao4", batch(note()))
    assert (decided(result), result.find(f".//{NFE}digVal")) == ("100", None)


def test_after_a_hanging_answer_a_new_client_finds_the_note(seller: Seller, note: Draw, seller_key: SigningKey) -> None:
    nfe = note()
    fault = {"operation": "NFeAutorizacao4", "kind": "hang_after_processing", "match": key_in(nfe)}
    seller.control("faults", fault)
    with pytest.raises(requests.Timeout):
        seller.authorize(nfe, timeout=1)
    again = Seller(seller.sefaz, seller_key, seller.pem)
    assert again.authorize(nfe) == "204"
    found = again.consult(key_in(nfe))
    assert (found.findtext(NFE + "cStat"), found.findtext(f".//{NFE}digVal")) == ("100", digest_value(nfe))


@pytest.mark.parametrize(("kind", "then"), [("drop_before", "217"), ("drop_after_processing", "100")])
def test_after_a_dropped_connection_the_key_tells(seller: Seller, note: Draw, kind: str, then: str) -> None:
    nfe = note()
    seller.control("faults", {"operation": "NFeAutorizacao4", "kind": kind, "match": "1"})
    with pytest.raises(requests.ConnectionError):
        seller.authorize(nfe)
    assert seller.consult(key_in(nfe)).findtext(NFE + "cStat") == then


def test_an_unavailable_or_garbled_answer(seller: Seller, note: Draw) -> None:
    seller.control("faults", {"operation": "NFeAutorizacao4", "kind": "status", "status": 500})
    seller.control("faults", {"operation": "NFeAutorizacao4", "kind": "status_after_processing", "status": 502})
    answers = [seller.post("NFeAutorizacao4", batch(note())) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [500, 502]
    seller.control("faults", {"operation": "NFeStatusServico4", "kind": "garbage"})
    assert seller.post("NFeStatusServico4", STATUS).text.startswith("<html>")
    assert seller.authorize(note()) == "204"
