"""Good documents to break: a sale of the Simples out of the golden files, and the same sale of the normal regime.

A change names a path below infNFe: `dest/IE` (made where it is missing), `det[2]/prod/vProd`, `det/@nItem`; its value is
the new text, None for none at all, or a piece of XML to put there.
"""

from collections.abc import Mapping
from pathlib import Path

from lxml import etree

GOLDEN = Path(__file__).parents[3] / "golden" / "expected"
NFE = "http://www.portalfiscal.inf.br/nfe"

Changes = Mapping[str, str | None]

_IMPOSTO = """
<vTotTrib>20.00</vTotTrib>
<ICMS><ICMS00><orig>0</orig><CST>00</CST><modBC>3</modBC><vBC>100.00</vBC><pICMS>12.00</pICMS><vICMS>12.00</vICMS></ICMS00></ICMS>
<PIS><PISAliq><CST>01</CST><vBC>88.00</vBC><pPIS>1.65</pPIS><vPIS>1.45</vPIS></PISAliq></PIS>
<COFINS><COFINSAliq><CST>01</CST><vBC>88.00</vBC><pCOFINS>7.60</pCOFINS><vCOFINS>6.69</vCOFINS></COFINSAliq></COFINS>
<ICMSUFDest><vBCUFDest>100.00</vBCUFDest><vBCFCPUFDest>100.00</vBCFCPUFDest><pFCPUFDest>2.00</pFCPUFDest>
<pICMSUFDest>18.00</pICMSUFDest><pICMSInter>12.00</pICMSInter><pICMSInterPart>100.00</pICMSInterPart>
<vFCPUFDest>2.00</vFCPUFDest><vICMSUFDest>6.00</vICMSUFDest><vICMSUFRemet>0.00</vICMSUFRemet></ICMSUFDest>
<IBSCBS><CST>000</CST><cClassTrib>000001</cClassTrib><gIBSCBS><vBC>71.86</vBC>
<gIBSUF><pIBSUF>0.10</pIBSUF><vIBSUF>0.07</vIBSUF></gIBSUF><gIBSMun><pIBSMun>0.00</pIBSMun><vIBSMun>0.00</vIBSMun></gIBSMun>
<vIBS>0.07</vIBS><gCBS><pCBS>0.90</pCBS><vCBS>0.65</vCBS></gCBS></gIBSCBS></IBSCBS>
"""

_TOTAL = """
<ICMSTot><vBC>100.00</vBC><vICMS>12.00</vICMS><vICMSDeson>0.00</vICMSDeson><vFCPUFDest>2.00</vFCPUFDest>
<vICMSUFDest>6.00</vICMSUFDest><vICMSUFRemet>0.00</vICMSUFRemet><vFCP>0.00</vFCP><vBCST>0.00</vBCST><vST>0.00</vST>
<vFCPST>0.00</vFCPST><vFCPSTRet>0.00</vFCPSTRet><vProd>100.00</vProd><vFrete>0.00</vFrete><vSeg>0.00</vSeg>
<vDesc>0.00</vDesc><vII>0.00</vII><vIPI>0.00</vIPI><vIPIDevol>0.00</vIPIDevol><vPIS>1.45</vPIS><vCOFINS>6.69</vCOFINS>
<vOutro>0.00</vOutro><vNF>100.00</vNF><vTotTrib>20.00</vTotTrib></ICMSTot>
<IBSCBSTot><vBCIBSCBS>71.86</vBCIBSCBS><gIBS>
<gIBSUF><vDif>0.00</vDif><vDevTrib>0.00</vDevTrib><vIBSUF>0.07</vIBSUF></gIBSUF>
<gIBSMun><vDif>0.00</vDif><vDevTrib>0.00</vDevTrib><vIBSMun>0.00</vIBSMun></gIBSMun>
<vIBS>0.07</vIBS><vCredPres>0.00</vCredPres><vCredPresCondSus>0.00</vCredPresCondSus></gIBS>
<gCBS><vDif>0.00</vDif><vDevTrib>0.00</vDevTrib><vCBS>0.65</vCBS><vCredPres>0.00</vCredPres>
<vCredPresCondSus>0.00</vCredPresCondSus></gCBS></IBSCBSTot><vNFTot>100.00</vNFTot>
"""

_REDUCED = {
    "det/imposto/ICMS": "<ICMS20><orig>0</orig><CST>20</CST><modBC>3</modBC><pRedBC>40.00</pRedBC><vBC>60.00</vBC>"
    "<pICMS>12.00</pICMS><vICMS>7.20</vICMS></ICMS20>",
    "total/ICMSTot/vBC": "60.00",
    "total/ICMSTot/vICMS": "7.20",
    "det/imposto/ICMSUFDest/vBCUFDest": "60.00",
    "det/imposto/ICMSUFDest/vBCFCPUFDest": "60.00",
    "det/imposto/ICMSUFDest/vFCPUFDest": "1.20",
    "det/imposto/ICMSUFDest/vICMSUFDest": "3.60",
    "total/ICMSTot/vFCPUFDest": "1.20",
    "total/ICMSTot/vICMSUFDest": "3.60",
    "det/imposto/IBSCBS/CST": "200",
    "det/imposto/IBSCBS/cClassTrib": "200034",
    "det/imposto/IBSCBS/gIBSCBS": "<vBC>79.06</vBC>"
    "<gIBSUF><pIBSUF>0.10</pIBSUF><gRed><pRedAliq>60.00</pRedAliq><pAliqEfet>0.0400</pAliqEfet></gRed><vIBSUF>0.03</vIBSUF></gIBSUF>"
    "<gIBSMun><pIBSMun>0.00</pIBSMun><gRed><pRedAliq>60.00</pRedAliq><pAliqEfet>0.0000</pAliqEfet></gRed><vIBSMun>0.00</vIBSMun></gIBSMun>"
    "<vIBS>0.03</vIBS>"
    "<gCBS><pCBS>0.90</pCBS><gRed><pRedAliq>60.00</pRedAliq><pAliqEfet>0.3600</pAliqEfet></gRed><vCBS>0.28</vCBS></gCBS>",
    "total/IBSCBSTot/vBCIBSCBS": "79.06",
    "total/IBSCBSTot/gIBS/gIBSUF/vIBSUF": "0.03",
    "total/IBSCBSTot/gIBS/vIBS": "0.03",
    "total/IBSCBSTot/gCBS/vCBS": "0.28",
}


def simples() -> bytes:
    """CRT 1, from SP to a consumer in MG, 100.00 paid by card."""
    return _compact(GOLDEN / "02-interstate.xml")


def normal() -> bytes:
    """The same sale of CRT 3: ICMS, PIS, COFINS, DIFAL with FCP, IBS and CBS."""
    changes = {"emit/CRT": "3", "det/imposto": _IMPOSTO, "det/vItem": "100.00", "total": _TOTAL}
    return changed(simples(), changes)


def reduced() -> bytes:
    """The same with reduced bases and rates."""
    return changed(normal(), _REDUCED)


def three_items() -> bytes:
    """CRT 1 with three items."""
    return _compact(GOLDEN / "03-three-items.xml")


def _compact(path: Path) -> bytes:
    parser = etree.XMLParser(remove_blank_text=True, remove_comments=True)
    return etree.tostring(etree.parse(str(path), parser).getroot())


def changed(document: bytes, changes: Changes) -> bytes:
    """The document with the changes made."""
    root = etree.fromstring(document)
    for path, value in changes.items():
        _change(root[0], path, value)
    return etree.tostring(root)


def _change(infNFe: etree._Element, path: str, value: str | None) -> None:
    steps = path.split("/")
    if steps[-1].startswith("@"):
        _made(infNFe, steps[:-1]).set(steps[-1][1:], value or "")
        return
    element = _made(infNFe, steps)
    if value is None:
        parent = element.getparent()
        assert parent is not None
        parent.remove(element)
        return
    for child in list(element):
        element.remove(child)
    element.text = None
    if "<" not in value:
        element.text = value
        return
    pieces = etree.fromstring(f'<x xmlns="{NFE}">{value}</x>', etree.XMLParser(remove_blank_text=True))
    element.extend(list(pieces))


def _made(element: etree._Element, steps: list[str]) -> etree._Element:
    for step in steps:
        found = element.find(f"{{{NFE}}}{step}")
        if found is None:
            found = etree.SubElement(element, f"{{{NFE}}}{step.partition('[')[0]}")
        element = found
    return element
