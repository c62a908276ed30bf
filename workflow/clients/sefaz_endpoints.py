"""Which address answers for a UF: read from two dated tables, or one base URL for every service.

The tables are `workflow/data/sefaz_authorizers.csv` and `sefaz_endpoints.csv`; their headers name the sources.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Self
from urllib.parse import urlsplit

from workflow.errors import Misconfigured

#: The environment's word in the table by tpAmb.
ENVIRONMENTS = {1: "producao", 2: "homologacao"}

#: The service's word in the table, and the web service's own name, which `single` puts behind /ws/.
SERVICES = {
    "autorizacao": "NFeAutorizacao4",
    "retautorizacao": "NFeRetAutorizacao4",
    "consulta": "NFeConsultaProtocolo4",
    "status": "NFeStatusServico4",
    "evento": "NFeRecepcaoEvento4",
    "inutilizacao": "NFeInutilizacao4",
    "cadastro": "CadConsultaCadastro4",
}


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Addresses by (authorizer, environment, service), and who authorises for a UF; or one base URL for all."""

    authorizers: Mapping[str, str]
    codes: Mapping[str, str]
    urls: Mapping[tuple[str, str, str], str]
    base_url: str = ""

    @classmethod
    def official(cls) -> Self:
        """SEFAZ's own addresses."""
        rows = _rows("sefaz_authorizers.csv")
        return cls(
            authorizers={row["uf"]: row["authorizer"] for row in rows},
            codes={row["uf"]: row["cUF"] for row in rows},
            urls={
                (row["authorizer"], row["environment"], row["service"]): row["url"]
                for row in _rows("sefaz_endpoints.csv")
            },
        )

    @classmethod
    def single(cls, base_url: str) -> Self:
        """One server for everything: {base_url}/ws/NFeAutorizacao4 and so on; raise Misconfigured unless https."""
        if urlsplit(base_url).scheme != "https" or not urlsplit(base_url).hostname:
            raise Misconfigured("sefaz-url", f"NFE_SEFAZ_URL: {base_url} is not an https:// address")
        official = cls.official()
        return cls(official.authorizers, official.codes, {}, base_url.rstrip("/"))

    def url(self, service: str, *, uf: str, tpAmb: int) -> str:
        """The address of a service (a word of SERVICES) for the issuer's UF; raise Misconfigured when there is none."""
        if self.base_url:
            return f"{self.base_url}/ws/{SERVICES[service]}"
        address = self.urls.get((self.authorizers.get(uf, uf), ENVIRONMENTS.get(tpAmb, ""), service))
        if address is None:
            raise Misconfigured("sefaz-endpoint", f"no address of {service} for UF {uf} and tpAmb {tpAmb}")
        return address

    def code(self, uf: str) -> str:
        """The IBGE code (cUF) of a UF; raise Misconfigured when it is none."""
        if uf not in self.codes:
            raise Misconfigured("sefaz-uf", f"{uf} is not a UF; mend the seller's address")
        return self.codes[uf]


@lru_cache(maxsize=2)
def _rows(name: str) -> tuple[dict[str, str], ...]:
    """The rows of a table in workflow/data, without its header of comments."""
    text = (files("workflow") / "data" / name).read_text(encoding="utf-8")
    return tuple(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
