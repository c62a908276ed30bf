"""A month's archive for the accountant: one ZIP of XML files, an index of them, and totals by CFOP and state.

The same archive gives the same bytes: files are in the order of their numbers and dated by their documents. The ZIP is
written beside its place, note by note, and moved there when it is whole. The tables are for Brazilian spreadsheets:
semicolons, decimal commas, a byte order mark.
"""

import csv
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from decimal import Decimal
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, NamedTuple
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from workflow import monthly
from workflow.archive import Archive, Filed, FiledVoiding, Month, Which
from workflow.errors import Invalid
from workflow.monthly import Tell, Totals
from workflow.nfe.schema import parsed
from workflow.nfe.signature import NFE
from workflow.nfe.summary import Summary

#: In the index: an event of this month about a note of an earlier one, which is not a file of this archive.
CANCELLED_LATER, CORRECTED_LATER = "cancelada, de mes anterior", "corrigida, de mes anterior"
COLUMNS = (
    *("CNPJ", "chNFe", "serie", "nNF", "dhEmi", "UF", "vNF", "CFOP", "situacao", "nProt"),
    *("AmazonShipmentId", "AmazonOrderId", "arquivo", "eventos"),
)
INDEX, TOTALS = "indice.csv", "totais.csv"


class Exported(NamedTuple):
    """What an export came to: notes by what became of them, events of earlier notes, voidings."""

    notes: Mapping[str, int]
    late_events: int
    voidings: int


def export(archive: Archive, month: Month, which: Which, path: Path, *, tell: Tell = lambda count: None) -> Exported:
    """Write the month's archive to a file, all or nothing; `tell` hears of each note.

    Raise Invalid('unwritable-file').
    """
    with _put_in_place(path) as file, ZipFile(file, "w", ZIP_DEFLATED) as target:
        files, totals = _Files(target, month), Totals()
        late = voidings = 0
        with files.table(INDEX, COLUMNS) as put:
            for filed in archive.notes(month, which):
                put(_indexed(files, filed, *totals.add(filed)))
                tell(1)
            for filed, event in archive.late_events(month, which):
                status = CORRECTED_LATER if b"<tpEvento>110110<" in event else CANCELLED_LATER
                put(_facts(filed, status) | {"eventos": files.put_event(filed.cnpj, event)})
                late += 1
        for voiding in archive.voidings(month, which):
            files.put_voiding(voiding)
            voidings += 1
        with files.table(TOTALS, monthly.COLUMNS) as put:
            for row in totals.rows():
                put(row)
    return Exported(totals.notes, late, voidings)


def _indexed(files: "_Files", filed: Filed, status: str, summary: Summary | None) -> dict[str, Any]:
    """Put a note and its events into the ZIP; its row of the index."""
    row = _facts(filed, status) | {"eventos": " ".join(files.put_event(filed.cnpj, event) for event in filed.events)}
    if summary is None or filed.document is None:
        return row
    return row | {
        "serie": summary.serie, "nNF": summary.nNF, "dhEmi": summary.dhEmi, "UF": summary.uf, "vNF": summary.vNF,
        "CFOP": " ".join(summary.shares), "nProt": summary.nProt, "arquivo": files.put_note(filed, summary),
    }  # fmt: skip


def _facts(filed: Filed, status: str) -> dict[str, Any]:
    return dict.fromkeys(COLUMNS, "") | {
        "CNPJ": filed.cnpj, "chNFe": filed.chNFe, "situacao": status,
        "AmazonShipmentId": filed.amazon_shipment_id, "AmazonOrderId": filed.amazon_order_id or "",
    }  # fmt: skip


class _Files:
    """The ZIP's files, by the names that accountants' programs expect."""

    def __init__(self, target: ZipFile, month: Month) -> None:
        self._target = target
        self._first = f"{month}-01T00:00:00"

    def put_note(self, filed: Filed, summary: Summary) -> str:
        """The nfeProc, or the signed NF-e where SEFAZ gave no protocol; returns its name."""
        assert filed.document is not None
        kind = "procNFe" if filed.has_protocol else "NFe"
        return self._put(f"{filed.cnpj}/notas/{filed.chNFe}-{kind}.xml", filed.document, summary.dhEmi)

    def put_event(self, cnpj: str, event: bytes) -> str:
        """A procEventoNFe; returns its name."""
        root = parsed(event)
        tags = ("chNFe", "tpEvento", "nSeqEvento", "dhEvento")
        *named, moment = (root.findtext(f".//{{{NFE}}}infEvento/{{{NFE}}}{tag}") or "" for tag in tags)
        return self._put(f"{cnpj}/eventos/{'-'.join(named)}-procEventoNFe.xml", event, moment)

    def put_voiding(self, filed: FiledVoiding) -> str:
        """A procInutNFe; returns its name."""
        name = f"{filed.series}-{filed.first}-{filed.last}-procInutNFe.xml"
        return self._put(f"{filed.cnpj}/inutilizacoes/{name}", filed.document, self._first)

    @contextmanager
    def table(self, name: str, columns: Iterable[str]) -> Iterator[Any]:
        """A table, which goes into the ZIP at the end: a ZIP takes one file at a time, and this grows with others."""
        with tempfile.TemporaryFile() as kept:
            text = TextIOWrapper(kept, "utf-8-sig", newline="")
            writer = csv.DictWriter(text, list(columns), delimiter=";")
            writer.writeheader()
            yield lambda row: writer.writerow({column: _cell(value) for column, value in row.items()})
            text.flush()
            text.detach()
            kept.seek(0)
            with self._target.open(_entry(name, self._first), "w") as inside:
                shutil.copyfileobj(kept, inside)

    def _put(self, name: str, content: bytes, moment: str) -> str:
        self._target.writestr(_entry(name, moment), content)
        return name


def _entry(name: str, moment: str) -> ZipInfo:
    """A file's place in the ZIP, dated by the local time that its document says."""
    at = datetime.fromisoformat(moment)
    entry = ZipInfo(name, (at.year, at.month, at.day, at.hour, at.minute, at.second))
    entry.compress_type = ZIP_DEFLATED
    entry.external_attr = 0o600 << 16
    return entry


def _cell(value: Any) -> Any:
    return f"{value:f}".replace(".", ",") if isinstance(value, Decimal) else value


@contextmanager
def _put_in_place(path: Path) -> Iterator[IO[bytes]]:
    """A new file, ours alone to read, which takes its place once all is written; otherwise nothing is left."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise Invalid("unwritable-file", f"{path}: {error.strerror}; choose another path") from error
    try:
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except OSError as error:
        raise Invalid("unwritable-file", f"{path}: {error.strerror or error}; choose another path") from error
    finally:
        with suppress(FileNotFoundError):
            Path(name).unlink()
