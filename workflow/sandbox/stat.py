"""cStat with its xMotivo, as SEFAZ words it: the texts are in `workflow/data/cstat_texts.csv`."""

from typing import NamedTuple

from workflow.nfe.tables import cstat_texts


class Stat(NamedTuple):
    """What SEFAZ decided: the code, and the reason in its words."""

    cStat: str
    xMotivo: str


def stat(cStat: str, **details: str) -> Stat:
    """The code with its official text, the details put where the text has braces.

    >>> stat("100").xMotivo
    'Autorizado o uso da NF-e'
    """
    return Stat(cStat, cstat_texts()[cStat].format_map(details))


def refusal(cStat: str, xMotivo: str | None) -> Stat:
    """A refusal on demand: any code, its text from the table unless one is given."""
    known = cstat_texts().get(cStat, "Rejeição: recusa a pedido")
    return Stat(cStat, xMotivo or known)
