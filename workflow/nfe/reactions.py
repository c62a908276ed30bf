"""What must happen next after each cStat: the table `workflow/data/cstat_reactions.csv`, and what holds beyond it.

Nothing is decided by a code's range except this: a rejection of NFeAutorizacao4 that the table does not name leaves
its number free (NT 2024.001 ended the denials), so that data mended by a person go out under the same number. Any
other code nobody knows stops with a person.

    DONE          100 150 135 102 …    keep the protocol, spliced with the stored bytes, and go on
    ASK_BY_KEY    204 218 573 106 …    SEFAZ has it already, or may: ask for the key; its answer decides
    RESEND        217                  SEFAZ never had it: send the same bytes (tpEmis 6, 7: to the SVC)
    WAIT          103 105 108 999 …    later; the bytes stay, the key is asked for first (103: its receipt)
    REJECTED_FIX  232 610 …            refused: a person mends the data, new bytes go out with the same number
    NUMBER_BURNT  206 205 110 …        the number is lost (voided, denied): the next one
    NUMBER_TAKEN  539 562 613 …        another key holds the number: ask for `key_in(xMotivo)`; ours: adopt it,
                                       else the next number
    SELLER_STOP   203 213 280 781 …    certificate or registration: nothing of this seller goes out until mended
    OUR_BUG       452 588 252 …        this program is wrong: stop the seller's queue, a developer mends it
    BLOCKED       656                  consumo indevido: nothing to this service for the seller for an hour and more
    LEAVE_SVC     113 114              the contingency is over: the note was not taken, back to the UF's authorizer
    CANCELLED     101 151              the note is cancelled for good
    PERSON        501 690 …            nothing a program may decide

Of a voiding: DONE 102, 563 (the same range was voided before); NUMBER_BURNT 256 (a part was: split the range);
NUMBER_TAKEN 241 (an NF-e holds one of the numbers: take it out).
Sources: MOC 7.0 Anexo I, 4.3 and 4.4, and the table's own column.
"""

import re
from collections.abc import Mapping
from enum import StrEnum, unique
from functools import cache
from types import MappingProxyType
from typing import Literal

from workflow.nfe.tables import rows

Service = Literal["autorizacao", "consulta", "evento", "inutilizacao"]

#: The UF's service is down: together with an SVC that answers 107, a reason for contingency (MOC 7.0, annex III).
OUTAGE = frozenset({"108", "109"})

_KEY = re.compile(r"\bchNFe\s*:\s*([0-9A-Z]{44})(?![0-9A-Z])")
#: A rejection is 201 to 999, or one of the four digits of NT 2025.002.
_REJECTION = re.compile(r"[2-9]\d\d|1\d{3}")


@unique
class Reaction(StrEnum):
    """What to do about a cStat; the module says which is which."""

    DONE = "done"
    ASK_BY_KEY = "ask-by-key"
    RESEND = "resend"
    WAIT = "wait"
    REJECTED_FIX = "rejected-fix"
    NUMBER_BURNT = "number-burnt"
    NUMBER_TAKEN = "number-taken"
    SELLER_STOP = "seller-stop"
    OUR_BUG = "our-bug"
    BLOCKED = "blocked"
    LEAVE_SVC = "leave-svc"
    CANCELLED = "cancelled"
    PERSON = "person"


def reaction(cStat: str, service: Service = "autorizacao") -> Reaction:
    """What to do about a cStat of a service.

    >>> reaction("539")
    <Reaction.NUMBER_TAKEN: 'number-taken'>
    >>> reaction("563", "inutilizacao"), reaction("563")
    (<Reaction.DONE: 'done'>, <Reaction.NUMBER_BURNT: 'number-burnt'>)
    >>> reaction("866"), reaction("866", "evento"), reaction("199")
    (<Reaction.REJECTED_FIX: 'rejected-fix'>, <Reaction.PERSON: 'person'>, <Reaction.PERSON: 'person'>)
    """
    known = _table().get((cStat, service)) or _table().get((cStat, ""))
    if known is not None:
        return known
    is_rejection = service == "autorizacao" and _REJECTION.fullmatch(cStat) is not None
    return Reaction.REJECTED_FIX if is_rejection else Reaction.PERSON


def key_in(xMotivo: str) -> str | None:
    """The key that a reason names, as 539 and 562 do; None without any (not every UF names it).

    >>> key_in("Rejeição: Duplicidade [chNFe: 35260811222333000181550010000000011123456789][nRec:1]")
    '35260811222333000181550010000000011123456789'
    """
    found = _KEY.search(xMotivo)
    return found[1] if found else None


@cache
def _table() -> Mapping[tuple[str, str], Reaction]:
    found = {(row["cStat"], row["service"]): Reaction(row["reaction"]) for row in rows("cstat_reactions.csv")}
    return MappingProxyType(found)
