"""SEFAZ behind the barrier: every call asks leave first, and what SEFAZ answers about misuse is kept.

The methods are `SefazClient`'s. A service that answered 656 is not called again before the block's end, by no worker;
a document that was refused three times within the hour and not mended is not sent a fourth time.
"""

import hashlib
import re

from workflow.clients.barrier import MisuseBarrier
from workflow.clients.sefaz import SefazClient
from workflow.clients.sefaz_endpoints import NORMAL
from workflow.clients.sefaz_results import Authorization, Consultation, EventResult, ServiceStatus, Taxpayer, VoidResult
from workflow.errors import RetryLater
from workflow.nfe.reactions import Reaction, reaction

#: What changes from one document to the next while nobody mends the data: key, cNF, dhEmi, the signature.
_DRAWN_ANEW = re.compile(rb'Id="NFe[0-9A-Z]{44}"|<(cNF|cDV|dhEmi|Signature)\b.*?</\1>', re.DOTALL)
#: Reactions to a note that SEFAZ refused for what it says.
_REFUSED = frozenset({Reaction.REJECTED_FIX, Reaction.OUR_BUG, Reaction.SELLER_STOP, Reaction.PERSON})


class GuardedSefaz:
    """One seller's SEFAZ; `cnpj` is who would be blocked."""

    def __init__(self, client: SefazClient, barrier: MisuseBarrier, *, cnpj: str) -> None:
        self._client = client
        self._barrier = barrier
        self._cnpj = cnpj

    def authorize(self, nfe: bytes, *, uf: str, tpAmb: int, idLote: str, tpEmis: int = NORMAL) -> Authorization:
        """As SefazClient's. Raises also Invalid('equal-rejections') and RetryLater('656'): nothing was processed."""
        service = _service("autorizacao", tpEmis)
        digest = unmended(nfe)
        self._barrier.check(self._cnpj, service, document=digest)
        answer = self._client.authorize(nfe, uf=uf, tpAmb=tpAmb, idLote=idLote, tpEmis=tpEmis)
        self._heed(service, answer.cStat, answer.xMotivo)
        if reaction(answer.cStat) in _REFUSED:
            self._barrier.rejected(self._cnpj, digest)
        return answer

    def receipt(self, nRec: str, *, uf: str, tpAmb: int, tpEmis: int = NORMAL) -> Authorization:
        """As SefazClient's; at most forty questions about a receipt in any hour."""
        service = _service("retautorizacao", tpEmis)
        self._barrier.check(self._cnpj, service, nRec)
        answer = self._client.receipt(nRec, uf=uf, tpAmb=tpAmb, tpEmis=tpEmis)
        self._heed(service, answer.cStat, answer.xMotivo)
        return answer

    def consult(self, chNFe: str, *, uf: str, tpAmb: int, tpEmis: int = NORMAL) -> Consultation:
        """As SefazClient's; at most ten questions about a key in any hour."""
        service = _service("consulta", tpEmis)
        self._barrier.check(self._cnpj, service, chNFe)
        answer = self._client.consult(chNFe, uf=uf, tpAmb=tpAmb, tpEmis=tpEmis)
        self._heed(service, answer.cStat, answer.xMotivo)
        return answer

    def service_status(self, *, uf: str, tpAmb: int, tpEmis: int = NORMAL) -> ServiceStatus:
        """As SefazClient's; at most forty questions in any hour."""
        service = _service("status", tpEmis)
        self._barrier.check(self._cnpj, service, uf)
        answer = self._client.service_status(uf=uf, tpAmb=tpAmb, tpEmis=tpEmis)
        self._heed(service, answer.cStat, answer.xMotivo)
        return answer

    def send_event(self, signed_event: bytes, *, uf: str, tpAmb: int, idLote: str, tpEmis: int = NORMAL) -> EventResult:
        """As SefazClient's."""
        service = _service("evento", tpEmis)
        self._barrier.check(self._cnpj, service)
        answer = self._client.send_event(signed_event, uf=uf, tpAmb=tpAmb, idLote=idLote, tpEmis=tpEmis)
        self._heed(service, answer.cStat, answer.xMotivo)
        return answer

    def void(self, signed_inutNFe: bytes, *, uf: str, tpAmb: int) -> VoidResult:
        """As SefazClient's."""
        self._barrier.check(self._cnpj, "inutilizacao")
        answer = self._client.void(signed_inutNFe, uf=uf, tpAmb=tpAmb)
        self._heed("inutilizacao", answer.cStat, answer.xMotivo)
        return answer

    def taxpayer(self, *, uf: str, tpAmb: int, cnpj: str) -> Taxpayer:
        """As SefazClient's, about a CNPJ."""
        self._barrier.check(self._cnpj, "cadastro")
        answer = self._client.taxpayer(uf=uf, tpAmb=tpAmb, cnpj=cnpj)
        self._heed("cadastro", answer.cStat, answer.xMotivo)
        return answer

    def _heed(self, service: str, cStat: str, xMotivo: str) -> None:
        if reaction(cStat) is Reaction.BLOCKED:
            wait = self._barrier.blocked(self._cnpj, service)
            raise RetryLater(cStat, xMotivo, after=wait, counts=False, told=True)


def unmended(nfe: bytes) -> str:
    """What names a document while nobody mends its data: the SHA-256 without what is drawn anew.

    >>> one = unmended(b'<NFe><infNFe Id="NFe' + b"1" * 44 + b'"><cNF>11</cNF><xProd>Mug</xProd></infNFe></NFe>')
    >>> two = unmended(b'<NFe><infNFe Id="NFe' + b"2" * 44 + b'"><cNF>22</cNF><xProd>Mug</xProd></infNFe></NFe>')
    >>> one == two
    True
    """
    return hashlib.sha256(_DRAWN_ANEW.sub(b"", nfe)).hexdigest()


def _service(word: str, tpEmis: int) -> str:
    """A contingency service is another service: its block is its own."""
    return word if tpEmis == NORMAL else f"svc/{word}"
