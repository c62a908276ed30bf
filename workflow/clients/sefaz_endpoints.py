"""Which address answers for a UF: read from two dated tables, or one base URL for every service.

The tables are `workflow/data/sefaz_authorizers.csv` and `sefaz_endpoints.csv`; their headers name the sources.
Which of the two contingencies (SVC) stands in for a UF is a column of the first, by environment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlsplit

from workflow.errors import Misconfigured
from workflow.nfe.tables import rows

#: The environment's word in the table by tpAmb.
ENVIRONMENTS = {1: "producao", 2: "homologacao"}

#: Who answers for a UF in contingency, by the tpEmis of the notes it authorises (MOC 7.0, B22).
SVCS = {6: "SVC-AN", 7: "SVC-RS"}
#: The normal emission: the UF's own authorizer.
NORMAL = 1

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
#: What an SVC offers (MOC 7.0, annex III): voidings, and questions about taxpayers, are the UF's own.
SVC_SERVICES = ("autorizacao", "retautorizacao", "consulta", "status", "evento")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Addresses by (authorizer, environment, service), and who authorises for a UF; or one base URL for all.

    `svcs` is the contingency by (UF, environment), `methods` an authorizer's own SOAP methods by address.
    """

    authorizers: Mapping[str, str]
    codes: Mapping[str, str]
    urls: Mapping[tuple[str, str, str], str]
    svcs: Mapping[tuple[str, str], str]
    methods: Mapping[str, str]
    base_url: str = ""

    @classmethod
    def official(cls) -> Self:
        """SEFAZ's own addresses."""
        units, addresses = list(rows("sefaz_authorizers.csv")), list(rows("sefaz_endpoints.csv"))
        columns = {"producao": "svc", "homologacao": "svc_homologacao"}
        return cls(
            authorizers={row["uf"]: row["authorizer"] for row in units},
            codes={row["uf"]: row["cUF"] for row in units},
            urls={(row["authorizer"], row["environment"], row["service"]): row["url"] for row in addresses},
            svcs={(row["uf"], name): row[column] for row in units for name, column in columns.items()},
            methods={row["url"]: row["method"] for row in addresses if row["method"]},
        )

    @classmethod
    def single(cls, base_url: str) -> Self:
        """One server for everything: {base_url}/ws/NFeAutorizacao4 and so on, its SVC at {base_url}/svc/ws/….

        Raise Misconfigured unless https.
        """
        if urlsplit(base_url).scheme != "https" or not urlsplit(base_url).hostname:
            raise Misconfigured("sefaz-url", f"NFE_SEFAZ_URL: {base_url} is not an https:// address")
        return replace(cls.official(), urls={}, methods={}, base_url=base_url.rstrip("/"))

    def svc_of(self, uf: str, tpAmb: int = 1) -> int:
        """The tpEmis of the contingency that stands in for a UF: 6 (SVC-AN) or 7 (SVC-RS); raise Misconfigured."""
        self.code(uf)
        svc = self.svcs.get((uf, ENVIRONMENTS.get(tpAmb, "")))
        return next(tpEmis for tpEmis, name in SVCS.items() if name == svc)

    def url(self, service: str, *, uf: str, tpAmb: int, tpEmis: int = NORMAL) -> str:
        """The address of a service (a word of SERVICES) for the issuer's UF, or for its SVC by `tpEmis`.

        Raise Misconfigured when there is none, as for a voiding at an SVC or another UF's SVC.
        """
        if tpEmis != NORMAL and tpEmis != self.svc_of(uf, tpAmb):
            raise Misconfigured("sefaz-endpoint", f"tpEmis {tpEmis} is not the contingency of UF {uf}; see svc_of")
        address = self._address(service, uf, tpAmb, tpEmis)
        if address is None:
            where = SVCS.get(tpEmis, f"UF {uf}")
            raise Misconfigured("sefaz-endpoint", f"no address of {service} for {where} and tpAmb {tpAmb}")
        return address

    def offers(self, service: str, *, uf: str, tpAmb: int) -> bool:
        """Whether a UF's own authorizer has the service: not every one tells who is a taxpayer (`cadastro`)."""
        return self._address(service, uf, tpAmb, NORMAL) is not None

    def method(self, url: str, default: str) -> str:
        """The SOAP method at an address."""
        return self.methods.get(url, default)

    def _address(self, service: str, uf: str, tpAmb: int, tpEmis: int) -> str | None:
        if self.base_url:
            if tpEmis == NORMAL:
                return f"{self.base_url}/ws/{SERVICES[service]}"
            return f"{self.base_url}/svc/ws/{SERVICES[service]}" if service in SVC_SERVICES else None
        authorizer = SVCS[tpEmis] if tpEmis != NORMAL else self.authorizers.get(uf, uf)
        return self.urls.get((authorizer, ENVIRONMENTS.get(tpAmb, ""), service))

    def code(self, uf: str) -> str:
        """The IBGE code (cUF) of a UF; raise Misconfigured when it is none."""
        if uf not in self.codes:
            raise Misconfigured("sefaz-uf", f"{uf} is not a UF; mend the seller's address")
        return self.codes[uf]
