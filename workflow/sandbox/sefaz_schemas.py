"""The official XSD of each message that SEFAZ takes or gives, compiled once."""

from functools import cache
from importlib import resources
from typing import Any

from lxml import etree

_FOLDERS = {
    "nfe/schemas/v4_0": (
        *("enviNFe_v4.00", "consSitNFe_v4.00", "consStatServ_v4.00", "consReciNFe_v4.00", "inutNFe_v4.00"),
        *("retEnviNFe_v4.00", "retConsSitNFe_v4.00", "retConsStatServ_v4.00", "retInutNFe_v4.00"),
    ),
    "nfe_evento_cancel/schemas/v1_0": ("envEventoCancNFe_v1.00", "retEnvEventoCancNFe_v1.00"),
}


@cache
def schema(name: str) -> etree.XMLSchema:
    """The compiled schema, by its file name without `.xsd`."""
    folder = next(folder for folder, names in _FOLDERS.items() if name in names)
    with resources.as_file(resources.files("nfelib").joinpath(folder)) as path:
        return etree.XMLSchema(etree.parse(path / f"{name}.xsd"))


def fault_in(message: etree._Element, name: str) -> str | None:
    """The name of the first element that breaks the schema, None when the message is valid."""
    compiled = schema(name)
    if compiled.validate(message):
        return None
    errors: Any = compiled.error_log  # the stubs know no error log
    return (errors[0].path or "").rpartition("/")[2].rpartition(":")[2] or "?"
