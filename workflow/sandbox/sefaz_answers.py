"""The XML that SEFAZ answers, element by element in the order of its schemas."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple
from xml.sax.saxutils import escape

from workflow.sandbox.stat import Stat

NS = "http://www.portalfiscal.inf.br/nfe"
APPLICATION = "SANDBOX_1.0"

#: xEvento of a registered event, by tpEvento.
_REGISTERED = {"110111": "Cancelamento registrado", "110110": "Carta de Correcao registrada"}

#: SEFAZ writes the local time of Brasília.
_BRASILIA = timezone(timedelta(hours=-3))


def moment(at: float) -> str:
    """Unix time as SEFAZ writes it: whole seconds with the offset."""
    return datetime.fromtimestamp(at, UTC).astimezone(_BRASILIA).isoformat(timespec="seconds")


def fields(values: Mapping[str, str | None]) -> str:
    """Elements in the given order; those without a value are left out."""
    return "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items() if value is not None)


def protNFe(given: Stat, *, chNFe: str, at: float, nProt: str | None = None, digVal: str | None = None) -> str:
    """The protocol of one NF-e; without `nProt` it is a refusal's."""
    inside = fields(
        {
            "tpAmb": "2",
            "verAplic": APPLICATION,
            "chNFe": chNFe,
            "dhRecbto": moment(at),
            "nProt": nProt,
            "digVal": digVal,
            **given._asdict(),
        }
    )
    identity = f' Id="ID{nProt}"' if nProt else ""
    return f'<protNFe xmlns="{NS}" versao="4.00"><infProt{identity}>{inside}</infProt></protNFe>'


def retEnviNFe(given: Stat, *, cUF: str, at: float, protocol: str = "", nRec: str | None = None) -> str:
    """The answer to a batch; the decision on its NF-e is in `protocol`, or `nRec` is the receipt to ask with."""
    receipt = f"<infRec>{fields({'nRec': nRec, 'tMed': '1'})}</infRec>" if nRec else ""
    return _root("retEnviNFe", "4.00", _head(given, cUF, at) + receipt + protocol)


def retConsSitNFe(given: Stat, *, cUF: str, at: float, chNFe: str, found: str = "") -> str:
    """The situation of a key; `found` is its protocol and its events."""
    return _root("retConsSitNFe", "4.00", _head(given, cUF, at) + fields({"chNFe": chNFe}) + found)


def retConsStatServ(given: Stat, *, cUF: str, at: float) -> str:
    """Whether the service works."""
    return _root("retConsStatServ", "4.00", _head(given, cUF, at) + fields({"tMed": "1"}))


def retConsReciNFe(given: Stat, *, cUF: str, at: float, nRec: str, protocol: str = "") -> str:
    """What became of a receipt."""
    head = fields({"tpAmb": "2", "verAplic": APPLICATION, "nRec": nRec, **given._asdict(), "cUF": cUF})
    return _root("retConsReciNFe", "4.00", head + fields({"dhRecbto": moment(at)}) + protocol)


def retConsCad(given: Stat, *, uf: str, cUF: str, at: float, asked: Mapping[str, str], found: str = "") -> str:
    """What a unit's register knows; `asked` is IE, CNPJ or CPF, `found` its infCad."""
    head = {"verAplic": APPLICATION, **given._asdict(), "UF": uf, **asked, "dhCons": moment(at), "cUF": cUF}
    return _root("retConsCad", "2.00", f"<infCons>{fields(head)}{found}</infCons>")


class Event(NamedTuple):
    """What a retEvento repeats of the event it answers."""

    cOrgao: str
    chNFe: str
    tpEvento: str
    nSeqEvento: str
    document: str | None = None


def retEvento(given: Stat, event: Event, *, at: float, nProt: str | None = None) -> str:
    """The decision on one event; without `nProt` it is a refusal's."""
    registered = nProt is not None
    is_company = event.document is not None and len(event.document) == 14
    inside = fields(
        {
            "tpAmb": "2",
            "verAplic": APPLICATION,
            "cOrgao": event.cOrgao,
            **given._asdict(),
            "chNFe": event.chNFe,
            "tpEvento": event.tpEvento,
            "xEvento": _REGISTERED.get(event.tpEvento) if registered else None,
            "nSeqEvento": event.nSeqEvento,
            "CNPJDest": event.document if registered and is_company else None,
            "CPFDest": event.document if registered and not is_company else None,
            "dhRegEvento": moment(at),
            "nProt": nProt,
        }
    )
    identity = f' Id="ID{nProt}"' if nProt else ""
    return f'<retEvento xmlns="{NS}" versao="1.00"><infEvento{identity}>{inside}</infEvento></retEvento>'


def retEnvEvento(given: Stat, *, cOrgao: str, idLote: str, events: str = "") -> str:
    """The answer to a batch of events."""
    head = {"idLote": idLote, "tpAmb": "2", "verAplic": APPLICATION, "cOrgao": cOrgao, **given._asdict()}
    return _root("retEnvEvento", "1.00", fields(head) + events)


def procEventoNFe(evento: str, registered: str) -> str:
    """An event with its registration, as a query of the key shows it."""
    return f'<procEventoNFe xmlns="{NS}" versao="1.00">{evento}{registered}</procEventoNFe>'


def retInutNFe(given: Stat, *, cUF: str, at: float, asked: Mapping[str, str], nProt: str | None = None) -> str:
    """The decision on a voiding; `asked` is ano, CNPJ, mod, serie, nNFIni, nNFFin."""
    head = {"tpAmb": "2", "verAplic": APPLICATION, **given._asdict(), "cUF": cUF}
    inside = fields({**head, **asked, "dhRecbto": moment(at), "nProt": nProt})
    identity = f' Id="ID{nProt}"' if nProt else ""
    return _root("retInutNFe", "4.00", f"<infInut{identity}>{inside}</infInut>")


def _head(given: Stat, cUF: str, at: float) -> str:
    head = {"tpAmb": "2", "verAplic": APPLICATION, **given._asdict(), "cUF": cUF, "dhRecbto": moment(at)}
    return fields(head)


def _root(name: str, version: str, inside: str) -> str:
    return f'<{name} xmlns="{NS}" versao="{version}">{inside}</{name}>'
