"""Anyone's NF-e, read only: texts and amounts by the path of their tags.

The tree is read once into small Python objects: some hundred rules look at every item, and each look at lxml's tree
would cost ten of these. What is absent, or is not what its field says, is empty or None; nothing here raises.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property
from types import MappingProxyType

from lxml import etree

from workflow.errors import Invalid
from workflow.nfe.amounts import ZERO
from workflow.nfe.schema import parsed

NFE = "http://www.portalfiscal.inf.br/nfe"
_PREFIX = f"{{{NFE}}}"
_NONE: Mapping[str, str] = MappingProxyType({})
#: What XSD allows an amount to look like at its longest; Decimal would take NaN, 1e9 and digits of other scripts.
_AMOUNT = re.compile(r"[0-9]{1,13}(\.[0-9]{1,10})?")
#: CFOP of a sale of goods, without its first digit: 101 to 125, and 401 to 405 under tax substitution.
_SALE = re.compile("[56](10[1-9]|11[0-9]|12[0-5]|40[1-5])")


class Group:
    """One element: its `text`, its `attributes`, and by path (`prod/vProd`, `ICMS/*`) what lies below."""

    __slots__ = ("_amount", "_found", "attributes", "note", "ordinal", "parent", "tag", "text")

    def __init__(self, element: etree._Element, tag: str, parent: "Group | None" = None, ordinal: int = 1) -> None:
        self.tag = tag
        self.text = (element.text or "").strip()
        self.attributes = {str(name): str(value) for name, value in element.attrib.items()} if element.attrib else _NONE
        self.parent = parent
        self.ordinal = ordinal
        self.note: Note = parent.note if parent is not None else self  # type: ignore[assignment]  # a root is a Note
        self._amount: Decimal | bool | None = False
        #: What lies at the paths asked for so far, the tags and `*` among them; None for most, below which is nothing.
        self._found = self._below(element) if len(element) else None

    def _below(self, element: etree._Element) -> "dict[str, Sequence[Group]]":
        found: dict[str, list[Group]] = {"*": []}
        for child in element:
            tag = child.tag
            # Comments and instructions have a function for a tag; a foreign namespace is the signature.
            if isinstance(tag, str) and tag.startswith(_PREFIX):
                tag = tag[len(_PREFIX) :]
                same = found.setdefault(tag, [])
                same.append(Group(child, tag, self, len(same) + 1))
                found["*"].append(same[-1])
        return dict(found)

    def all(self, path: str) -> "Sequence[Group]":
        """Every group at a path; `*` stands for any tag."""
        if self._found is None:
            return ()
        found = self._found.get(path)
        if found is None:
            # Many rules ask the same, or for a neighbour: each step is walked once.
            before, _, tag = path.rpartition("/")
            found = [one for group in self.all(before) for one in group.all(tag)] if before else ()
            self._found[path] = found
        return found

    def first(self, path: str) -> "Group | None":
        """The first group at a path."""
        found = self.all(path)
        return found[0] if found else None

    def __contains__(self, path: str) -> bool:
        return bool(self.all(path))

    def value(self, path: str) -> str:
        """The first text at a path, empty where there is none."""
        found = self.first(path)
        return found.text if found is not None else ""

    def amount(self, path: str) -> Decimal | None:
        """The first amount at a path; None where there is none, or no number."""
        found = self.first(path)
        return None if found is None else found.own_amount

    def sum(self, path: str) -> Decimal:
        """The sum of every amount at a path."""
        total = ZERO
        for one in self.all(path):
            total += one.number
        return total

    @property
    def own_amount(self) -> Decimal | None:
        """The group's own amount, None where it is none; read once."""
        if self._amount is False:
            self._amount = Decimal(self.text) if _AMOUNT.fullmatch(self.text) else None
        return self._amount  # type: ignore[return-value]  # False until here

    @property
    def number(self) -> Decimal:
        """The group's own amount, zero where it is none."""
        return self.own_amount or ZERO

    def within(self, tag: str) -> "Group":
        """The nearest group of that tag around this one, or the whole note where there is none."""
        return self if self.tag == tag or self.parent is None else self.parent.within(tag)

    @property
    def nItem(self) -> str:
        """The number of the item this lies in, empty outside of the items."""
        item = self.within("det")
        return item.attributes.get("nItem", str(item.ordinal)) if item.tag == "det" else ""

    @property
    def place(self) -> str:
        """Where it is below infNFe: `det[2]/prod`, `pag/detPag[1]`; empty for infNFe itself."""
        if self.parent is None:
            return ""
        nth = ""
        if self.tag == "det":
            nth = f"[{self.nItem}]"
        elif len(self.parent.all(self.tag)) > 1:
            nth = f"[{self.ordinal}]"
        return f"{self.parent.place}/{self.tag}{nth}".removeprefix("/")


class Note(Group):
    """`infNFe`, with the facts that many rules ask for; `now` is the moment it reaches SEFAZ, or None."""

    def __init__(self, element: etree._Element, now: datetime | None) -> None:
        super().__init__(element, "infNFe")
        self.now = now

    @cached_property
    def Id(self) -> str:
        """The key as the Id says it, without `NFe`."""
        return self.attributes.get("Id", "").removeprefix("NFe")

    @cached_property
    def dhEmi(self) -> datetime | None:
        """The moment of emission, with its offset."""
        return moment(self.value("ide/dhEmi"))

    @cached_property
    def issued_on(self) -> date | None:
        """The day of emission, where it was emitted."""
        return self.dhEmi.date() if self.dhEmi is not None else None

    @cached_property
    def crt(self) -> str:
        """The issuer's regime: 1 Simples, 2 Simples over its limit, 3 normal, 4 MEI."""
        return self.value("emit/CRT")

    @cached_property
    def origin_uf(self) -> str:
        """The issuer's UF."""
        return self.value("emit/enderEmit/UF")

    @cached_property
    def buyer_uf(self) -> str:
        """The UF of the buyer's address."""
        return self.value("dest/enderDest/UF")

    @cached_property
    def moves_elsewhere(self) -> bool:
        """Whether the goods leave from, or go to, a UF that is not in the parties' addresses."""
        return (
            self.value("retirada/UF") not in ("", self.origin_uf)
            or self.value("entrega/UF") not in ("", self.buyer_uf)
            or "det/prod/comb/UFCons" in self
        )

    @cached_property
    def is_ordinary(self) -> bool:
        """Whether it is an outgoing note that corrects or returns nothing: most rules' exceptions are the others."""
        return self.value("ide/tpNF") == "1" and self.value("ide/finNFe") == "1"

    @cached_property
    def is_to_consumer_elsewhere(self) -> bool:
        """Whether it sells to a non-contributor in another UF for own use: the case of DIFAL."""
        return (
            self.value("ide/idDest") == "2"
            and self.value("ide/indFinal") == "1"
            and self.value("dest/indIEDest") == "9"
        )


def is_sale(item: Group) -> bool:
    """Whether the item is sold: other CFOP (returns, remittances, transfers) are exceptions of many rules."""
    return item.note.is_ordinary and _SALE.fullmatch(item.value("prod/CFOP")) is not None


def line_value(item: Group) -> Decimal:
    """What the buyer pays for the line, taxes outside of the price apart."""
    parts = ("vProd", "vFrete", "vSeg", "vOutro")
    return sum((item.sum(f"prod/{part}") for part in parts), ZERO) - item.sum("prod/vDesc")


def moment(text: str) -> datetime | None:
    """An aware moment, or None for any other text.

    >>> moment('2026-11-22T10:00:00-03:00').isoformat(), moment('2026-11-22')
    ('2026-11-22T10:00:00-03:00', None)
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def root_of(document: bytes | etree._Element) -> etree._Element:
    """The one NFe in a document: itself, or inside nfeProc or enviNFe.

    Raise Invalid: `not-xml`, `not-an-nfe`, `several-notes`.
    """
    root = parsed(document)
    found = list(_notes(root))
    if not found:
        raise Invalid("not-an-nfe", "no NFe with an infNFe in it; give an NFe, a nfeProc or an enviNFe")
    if len(found) > 1:
        raise Invalid("several-notes", f"{len(found)} NFe in one document; give them one by one")
    return found[0]


def _notes(root: etree._Element) -> Iterator[etree._Element]:
    for candidate in (root, *root):
        if candidate.tag == f"{{{NFE}}}NFe" and candidate.find(f"{{{NFE}}}infNFe") is not None:
            yield candidate


def read(document: bytes | etree._Element, now: datetime | None = None) -> Note:
    """The document as a Note; raise as `root_of` does."""
    return note_of(root_of(document), now)


def note_of(root: etree._Element, now: datetime | None = None) -> Note:
    """The Note of an NFe element; one that SEFAZ received already reached it then, whatever the time is now."""
    infNFe = root.find(f"{{{NFE}}}infNFe")
    assert infNFe is not None
    proc = root.getparent()
    received = None if proc is None else proc.findtext(f"{{{NFE}}}protNFe/{{{NFE}}}infProt/{{{NFE}}}dhRecbto")
    return Note(infNFe, moment(received or "") or now)
