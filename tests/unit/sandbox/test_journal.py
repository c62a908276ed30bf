"""A counterpart that is started again with its memory knows what it decided."""

from pathlib import Path

from workflow.nfe.certificate import SigningKey
from workflow.sandbox.amazon_book import AmazonSettings
from workflow.sandbox.journal import Journal
from workflow.sandbox.server import start_amazon, start_sefaz
from workflow.sandbox.shipments import Example

from .conftest import NFE, Draw, Partner, Seller, decided, key_in, pem_file
from .test_sefaz import void


def test_sefaz_remembers_keys_cancellations_and_voidings(
    seller_key: SigningKey, note: Draw, folder: Path, tmp_path: Path
) -> None:
    pem = pem_file(seller_key, tmp_path / "a1.pem")
    first, second = note(1), note(2)
    with start_sefaz(folder, memory=tmp_path) as before:
        seller = Seller(before, seller_key, pem)
        assert [seller.authorize(first), seller.authorize(second)] == ["100", "100"]
        assert decided(seller.cancel(first, before.book.by_key[key_in(first)].nProt)) == "135"
        assert void(seller, 5, 6) == "102"
    with start_sefaz(folder, memory=tmp_path) as after:
        seller = Seller(after, seller_key, pem)
        assert seller.consult(key_in(first)).findtext(NFE + "cStat") == "101"
        assert [seller.authorize(second), seller.authorize(note(2, cNF="11223344"))] == ["204", "539"]
        assert seller.authorize(note(5)) == "206"
        assert seller.authorize(note(7)) == "100"
        protocols = [entry.nProt for entry in after.book.by_key.values()]
        assert len(set(protocols)) == 3


def test_amazon_remembers_shipments_submissions_and_tokens(
    examples: list[Example], nfeProc: bytes, tmp_path: Path
) -> None:
    settings = AmazonSettings(processing_seconds=0)
    shipment_id = examples[0].shipment_id
    with start_amazon(memory=tmp_path, settings=settings, shipments=[examples[0].shipment()]) as before:
        partner = Partner(before)
        token = partner.restricted()
        assert [partner.submit(shipment_id, nfeProc).status_code for _ in range(2)] == [200, 200]
    with start_amazon(memory=tmp_path, settings=settings) as after:
        partner = Partner(after)
        assert partner.details(shipment_id, token).status_code == 200
        assert partner.status(shipment_id) == "Accepted"
        entry = partner.book()["shipments"][shipment_id]
        assert (entry["effective"], entry["repeats"]) == (1, 1)


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b'{"what": "seen", "name": "one"}\n{"what": "seen", "na')
    seen: list[str] = []
    journal = Journal(path)
    journal.replay({"seen": lambda entry: seen.append(entry["name"])})
    journal.write("seen", {"name": "two"})
    journal.close()
    Journal(path).replay({"seen": lambda entry: seen.append(entry["name"])})
    assert seen == ["one", "one", "two"]
