"""Where: municipalities that exist and lie in their UF, and the two ends of an operation (cMun, idDest)."""

from functools import partial

from workflow.nfe import tables
from workflow.nfe.rules.note import Group
from workflow.nfe.rules.rulebook import rule

_ABROAD = "EX"


def _municipality_exists(path: str, note: Group) -> str | None:
    code = note.value(path)
    # 9999999 is abroad. IBGE's own codes are asked, not their check digit: nine of them have a wrong one.
    if not code or code == "9999999" or code in tables.municipalities_by_code():
        return None
    return f"{path} {code} is no municipality of IBGE's table"


def _municipality_lies_in(path: str, uf_path: str, note: Group) -> str | None:
    code, uf = note.value(path), note.value(uf_path)
    unit = tables.ufs().get(uf)
    if not code or unit is None or code[:2] == unit.cUF:
        return None
    return f"{path} {code} does not lie in {uf_path} {uf}"


#: The municipality and its UF, with (cStat, field) of either rule.
_MUNICIPALITIES = (
    ("ide/cMunFG", "emit/enderEmit/UF", ("270", "B12-10"), ("271", "B12-20")),
    ("emit/enderEmit/cMun", "emit/enderEmit/UF", ("272", "C10-10"), ("273", "C10-20")),
    ("dest/enderDest/cMun", "dest/enderDest/UF", ("274", "E10-10"), ("275", "E10-20")),
    ("retirada/cMun", "retirada/UF", ("276", "F07-20"), ("277", "F07-30")),
    ("entrega/cMun", "entrega/UF", ("278", "G07-20"), ("279", "G07-30")),
)

for _path, _uf_path, (_missing, _first), (_elsewhere, _second) in _MUNICIPALITIES:
    _name = _path.replace("/", "_")
    rule(_missing, field=_first, name=f"{_name}_exists")(partial(_municipality_exists, _path))
    rule(_elsewhere, field=_second, name=f"{_name}_lies_in_its_uf")(partial(_municipality_lies_in, _path, _uf_path))


@rule("772", field="E12-30")
def an_interstate_operation_leaves_the_uf(note: Group) -> str | None:
    """idDest 2 needs two UF, of the parties or of the places of withdrawal and delivery."""
    uf = note.note.origin_uf
    if note.value("ide/idDest") != "2" or note.note.moves_elsewhere or note.note.buyer_uf != uf:
        return None
    return f"idDest is 2, issuer and buyer are both in {uf}"


@rule("773", field="E12-40")
def an_internal_operation_stays_in_the_uf(note: Group) -> str | None:
    """idDest 1 needs one UF, unless the buyer was there (indPres 1, 5) or the goods go elsewhere."""
    origin, buyer = note.note.origin_uf, note.note.buyer_uf
    if note.value("ide/idDest") != "1" or note.value("ide/indPres") in ("1", "5"):
        return None
    if note.note.moves_elsewhere or buyer in ("", origin, _ABROAD) or not note.note.is_ordinary:
        return None
    return f"idDest is 1, the issuer is in {origin} and the buyer in {buyer}"


@rule("868", field="X02-20")
def a_vehicle_is_named_only_inside_the_uf(note: Group) -> str | None:
    """veicTransp and reboque are not written in an interstate operation."""
    if note.value("ide/idDest") == "2" and ("transp/veicTransp" in note or "transp/reboque" in note):
        return "veicTransp or reboque with idDest 2"
    return None
