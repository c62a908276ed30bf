"""Asking SEFAZ about a number rather than a key: by a key of that number which nobody can have made.

NFeConsultaProtocolo4 looks for the number first (MOC 7.0, 5.4.4): 217 where no NF-e has it (J03); else the key differs
in its cNF, 562, which may name the key that has it (J04), or in something else, 561 and 613, which do not (J05, J06).
Some units say 217 whoever has the number, so what they do not know is no proof.
"""

from typing import NamedTuple

from workflow.authorization import wait_if_told
from workflow.clients.sefaz_endpoints import NORMAL
from workflow.errors import Invalid, SellerStopped
from workflow.nfe import tables, xml
from workflow.nfe.access_key import access_key, draw_cNF, is_valid, split
from workflow.nfe.reactions import Reaction, key_in, reaction
from workflow.numbers import Range
from workflow.tools import SellerTools, Tools

#: SEFAZ has an NF-e with the number, whatever became of it.
_HELD = frozenset({Reaction.DONE, Reaction.CANCELLED, Reaction.NUMBER_BURNT, Reaction.NUMBER_TAKEN})


class Sounding(NamedTuple):
    """What SEFAZ says of a number; `key` is the one that has it, where it is told."""

    nNF: int
    is_held: bool
    key: str | None
    cStat: str


def sound(tools: Tools, seller: SellerTools, where: Range, nNF: int, *, tpEmis: int = NORMAL) -> Sounding:
    """Ask about a number of one of the seller's series, at the UF or at its contingency.

    Raise RetryLater, SellerStopped, or Invalid at an answer that is none.
    """
    now = tools.store.now()
    key = access_key(
        cUF=tables.ufs()[seller.uf].cUF,
        issued_on=xml.local_date(now, seller.uf),
        cnpj=where.cnpj,
        serie=where.series,
        nNF=nNF,
        tpEmis=tpEmis,
        # Another one each time: SEFAZ answers ten questions about a key in an hour.
        cNF=draw_cNF(nNF, tools.randbelow),
    )
    answer = seller.sefaz.consult(key, uf=seller.uf, tpAmb=where.environment, tpEmis=tpEmis)
    found = reaction(answer.cStat, "consulta")
    if found is Reaction.RESEND:
        return Sounding(nNF, False, None, answer.cStat)
    if found in _HELD:
        told = key if found is not Reaction.NUMBER_TAKEN else key_in(answer.xMotivo)
        return Sounding(nNF, True, told if told is not None and _is_of(told, key) else None, answer.cStat)
    wait_if_told(answer.cStat, answer.xMotivo)
    raise (SellerStopped if found is Reaction.SELLER_STOP else Invalid)(answer.cStat, answer.xMotivo)


def _is_of(told: str, key: str) -> bool:
    """Whether a key that SEFAZ names is one, and of the same number."""
    if not is_valid(told):
        return False
    mine, other = split(key), split(told)
    return (mine.CNPJ, mine.mod, mine.serie, mine.nNF) == (other.CNPJ, other.mod, other.serie, other.nNF)
