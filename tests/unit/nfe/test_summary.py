"""What of an NF-e an accountant asks for: each sum is the document's own, over every golden document."""

from decimal import Decimal
from pathlib import Path

import pytest
from lxml import etree

from workflow.errors import Invalid
from workflow.nfe.signature import NFE
from workflow.nfe.summary import AMOUNTS, summary_of

DOCUMENTS = sorted((Path(__file__).parents[2] / "golden" / "expected").glob("*.xml"))
#: By other names, or of other groups, in the document's totals.
TOTALS = {name: f"ICMSTot/{name}" for name in AMOUNTS} | {"vIBS": "IBSCBSTot/gIBS/vIBS", "vCBS": "IBSCBSTot/gCBS/vCBS"}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_the_shares_of_all_cfops_are_the_documents_own_totals(path: Path) -> None:
    document = path.read_bytes()
    found = summary_of(document)
    root = etree.fromstring(document)
    total = root.find(f".//{{{NFE}}}total")
    assert total is not None
    assert sum(share.vNF for share in found.shares.values()) == found.vNF
    assert sum(share.items for share in found.shares.values()) == len(root.findall(f".//{{{NFE}}}det"))
    for name, place in TOTALS.items():
        stated = total.findtext("/".join(f"{{{NFE}}}{tag}" for tag in place.split("/"))) or "0"
        assert sum(share.amounts[name] for share in found.shares.values()) == Decimal(stated), name


def test_the_facts_are_the_documents() -> None:
    found = summary_of(DOCUMENTS[1].read_bytes())
    assert len(found.chNFe) == 44
    assert found.chNFe[2:6] == found.dhEmi[2:4] + found.dhEmi[5:7]
    assert (found.serie, found.nNF) == (str(int(found.chNFe[22:25])), str(int(found.chNFe[25:34])))
    assert len(found.uf) == 2
    assert found.nProt == ""


def test_what_the_items_do_not_explain_is_the_largest_shares_so_that_the_sum_is_vNF() -> None:
    text = DOCUMENTS[2].read_text()
    vNF = summary_of(text.encode()).vNF
    found = summary_of(text.replace(f"<vNF>{vNF}</vNF>", f"<vNF>{vNF - 1}</vNF>").encode())
    assert found.vNF == vNF - 1
    assert sum(share.vNF for share in found.shares.values()) == vNF - 1


@pytest.mark.parametrize("document", [b"<a/>", b"no xml"])
def test_what_is_no_nfe_is_told(document: bytes) -> None:
    with pytest.raises(Invalid):
        summary_of(document)
