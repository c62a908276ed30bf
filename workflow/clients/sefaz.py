"""SEFAZ's web services 4.00 over SOAP 1.2: authorisation, receipt, query by key, status, event, voiding, register.

A method is one request and returns SEFAZ's decision, cStat and xMotivo verbatim, whatever they are: only an answer
that is none is an error. The signed bytes are written into the envelope as they are, and the protocol is taken out
so that it can be written behind them. `tpEmis` says who is asked: 1 the UF's own authorizer, 6 or 7 the contingency
that stands in for it, which alone knows the notes it authorised (they are asked for and cancelled there; letters of
correction and voidings go to the UF). Source: MOC 7.0; names of services and methods as in its WSDL.
"""

from typing import NamedTuple

import requests

from workflow.clients.exchange import Request, exchange
from workflow.clients.mutual_tls import mtls_session
from workflow.clients.sefaz_endpoints import NORMAL, SERVICES, Endpoints
from workflow.clients.sefaz_results import (
    NOT_OFFERED,
    Authorization,
    Consultation,
    EventResult,
    Registration,
    ServiceStatus,
    Taxpayer,
    VoidResult,
)
from workflow.clients.soap import Part, answer_in, envelope, judge, verbatim

__all__ = [
    "NOT_OFFERED",
    "Authorization",
    "Consultation",
    "Endpoints",
    "EventResult",
    "Registration",
    "SefazClient",
    "ServiceStatus",
    "Taxpayer",
    "VoidResult",
    "mtls_session",
]

_WSDL = "http://www.portalfiscal.inf.br/nfe/wsdl"
#: The method behind the service in the action of the content type, and the element of its answer.
_METHODS = {
    "autorizacao": ("nfeAutorizacaoLote", "retEnviNFe"),
    "retautorizacao": ("nfeRetAutorizacaoLote", "retConsReciNFe"),
    "consulta": ("nfeConsultaNF", "retConsSitNFe"),
    "status": ("nfeStatusServicoNF", "retConsStatServ"),
    "evento": ("nfeRecepcaoEvento", "retEnvEvento"),
    "inutilizacao": ("nfeInutilizacaoNF", "retInutNFe"),
    "cadastro": ("consultaCadastro", "retConsCad"),
}
#: Whose register expects its message wrapped once more (sped-nfe 3b44ec9; no second source).
_WRAPPED_TWICE = frozenset({"MT"})


class _Place(NamedTuple):
    """Who is asked: the authorizer of a UF in an environment, or its contingency."""

    uf: str
    tpAmb: int
    tpEmis: int = NORMAL


class SefazClient:
    """The services for whichever UF and environment a call names, with one seller's certificate (see mtls_session)."""

    def __init__(self, *, http: requests.Session, endpoints: Endpoints, timeout: float) -> None:
        self._http = http
        self._endpoints = endpoints
        self._timeout = timeout

    def authorize(self, nfe: bytes, *, uf: str, tpAmb: int, idLote: str, tpEmis: int = NORMAL) -> Authorization:
        """Send one signed NF-e (UTF-8) and wait for the decision; `tpEmis` is the note's own.

        Raises LostAnswer when SEFAZ may have it, RetryLater when it was not sent, SellerStopped.
        """
        body = envelope("authorize", SERVICES["autorizacao"], idLote=idLote, document=verbatim(nfe))
        return Authorization.of(self._send("autorizacao", body, _Place(uf, tpAmb, tpEmis)))

    def receipt(self, nRec: str, *, uf: str, tpAmb: int, tpEmis: int = NORMAL) -> Authorization:
        """Ask what became of a queued batch of one NF-e (103): 105 not yet, 106 unknown, else as authorize.

        At most 40 times an hour and receipt, or SEFAZ blocks (656). Raises RetryLater.
        """
        body = envelope("receipt", SERVICES["retautorizacao"], tpAmb=tpAmb, nRec=nRec)
        return Authorization.of(self._ask("retautorizacao", body, _Place(uf, tpAmb, tpEmis)))

    def consult(self, chNFe: str, *, uf: str, tpAmb: int, tpEmis: int = NORMAL) -> Consultation:
        """Ask for an NF-e by its key (at most 10 times an hour and key, or SEFAZ blocks: 656). Raises RetryLater."""
        body = envelope("consult", SERVICES["consulta"], tpAmb=tpAmb, chNFe=chNFe)
        return Consultation.of(self._ask("consulta", body, _Place(uf, tpAmb, tpEmis)))

    def service_status(self, *, uf: str, tpAmb: int, tpEmis: int = NORMAL) -> ServiceStatus:
        """Ask whether the service works, or the UF's contingency: 107 it may be used, 113 it ends, 114 it may not.

        Not in a loop (656). Raises RetryLater.
        """
        body = envelope("service_status", SERVICES["status"], tpAmb=tpAmb, cUF=self._endpoints.code(uf))
        return ServiceStatus.of(self._ask("status", body, _Place(uf, tpAmb, tpEmis)))

    def send_event(self, signed_event: bytes, *, uf: str, tpAmb: int, idLote: str, tpEmis: int = NORMAL) -> EventResult:
        """Send one signed event and wait for the decision. Raises as authorize.

        A cancellation (110111) goes where its note is: `tpEmis` is the note's. A letter of correction (110110)
        goes to the UF whatever its note's tpEmis: leave `tpEmis` out.
        """
        body = envelope("send_event", SERVICES["evento"], idLote=idLote, document=verbatim(signed_event))
        return EventResult.of(self._send("evento", body, _Place(uf, tpAmb, tpEmis)))

    def void(self, signed_inutNFe: bytes, *, uf: str, tpAmb: int) -> VoidResult:
        """Void a range of numbers, always at the UF. Raises as authorize; the same bytes may be sent again: 563."""
        body = envelope("void", SERVICES["inutilizacao"], document=verbatim(signed_inutNFe))
        return VoidResult.of(self._send("inutilizacao", body, _Place(uf, tpAmb)))

    def taxpayer(
        self, *, uf: str, tpAmb: int, cnpj: str | None = None, cpf: str | None = None, ie: str | None = None
    ) -> Taxpayer:
        """Ask the register of a UF (the buyer's) about one CNPJ, CPF or IE; NOT_OFFERED where the UF has none.

        Raises RetryLater.
        """
        if not self._endpoints.offers("cadastro", uf=uf, tpAmb=tpAmb):
            return NOT_OFFERED
        given = [(tag, value) for tag, value in (("CNPJ", cnpj), ("CPF", cpf), ("IE", ie)) if value]
        if len(given) != 1:
            raise TypeError("the register is asked by exactly one of cnpj, cpf, ie")
        [(tag, value)] = given
        twice = uf in _WRAPPED_TWICE
        body = envelope("taxpayer", SERVICES["cadastro"], uf=uf, tag=tag, value=value, is_wrapped_twice=twice)
        return Taxpayer.of(self._ask("cadastro", body, _Place(uf, tpAmb)))

    def _ask(self, service: str, body: bytes, place: _Place) -> Part:
        """One question, which may be repeated."""
        return self._exchange(service, body, place, asks=True)

    def _send(self, service: str, body: bytes, place: _Place) -> Part:
        """One message that SEFAZ acts upon."""
        return self._exchange(service, body, place, asks=False)

    def _exchange(self, service: str, body: bytes, place: _Place, *, asks: bool) -> Part:
        """One request; the element of the answer that decides."""
        url = self._endpoints.url(service, uf=place.uf, tpAmb=place.tpAmb, tpEmis=place.tpEmis)
        method, expected = _METHODS[service]
        action = f"{_WSDL}/{SERVICES[service]}/{self._endpoints.method(url, method)}"
        headers = {"content-type": f'application/soap+xml; charset=utf-8; action="{action}"'}
        request = Request("POST", url, headers, body, asks, service if place.tpEmis == NORMAL else f"svc/{service}")
        answer = exchange(self._http, request, timeout=self._timeout, party="sefaz")
        if error := judge(request, answer):
            raise error
        return answer_in(answer.body, expected, request)
