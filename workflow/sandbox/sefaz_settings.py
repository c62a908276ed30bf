"""What the control API may set at the local SEFAZ: its switches, refusals on demand, the taxpayers of its register."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class SefazSettings(BaseModel):
    """The switches of the local SEFAZ; limits are per hour, times in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    soap: Literal["1.2", "1.1"] = "1.2"
    service: Literal["107", "108", "109"] = "107"
    #: The contingency (SVC): 107 it stands in, 113 it ends at `svc_until` (and authorises till then), 114 it is off.
    svc: Literal["107", "113", "114"] = "114"
    svc_until: str = "23:59"
    #: Whether the signer's certificate must come from the sandbox's authority (293).
    chain: bool = True
    #: 656 (MOC 7.0 Anexo I, 4.3): a block of this CNPJ for this service.
    misuse: bool = True
    consult_limit: int = Field(default=10, ge=0)
    receipt_limit: int = Field(default=40, ge=0)
    rejection_limit: int = Field(default=30, ge=0)
    status_limit: int = Field(default=40, ge=0)
    window_seconds: float = Field(default=3600.0, gt=0)
    cancel_seconds: float = Field(default=86400.0, ge=0)
    #: After the deadline: False 501, True 155.
    late_cancel: bool = False
    #: Letters of correction: 596 after the deadline (30 days), 594 beyond so many (MOC 7.0: 20).
    correct_seconds: float = Field(default=30 * 86400.0, ge=0)
    #: digVal is optional in the schema of a protocol.
    dig_val: bool = True
    #: NT 2018.005: some units answer an equal key and digest with the protocol instead of 204.
    duplicate_with_protocol: bool = False
    #: What a unit says to a key whose number another key holds: 562 is MOC 7.0's (J04), and names the key.
    other_key: Literal["217", "561", "562", "613"] = "562"
    #: Answer 103 and a receipt in spite of indSinc=1, as a unit may.
    async_batches: bool = False
    #: How long a batch waits until it is processed: without a receipt it is answered 105, its key 217 till then.
    late_seconds: float = Field(default=0.0, ge=0)
    #: NT 2025.001: 150 for dhEmi older than 7 days, 228 older than 30.
    late_days: int = 7
    too_late_days: int = 30
    #: How long a message takes.
    seconds: float = Field(default=0.0, ge=0)


class Refusal(BaseModel):
    """A refusal on demand, of an NF-e unless another `operation` is named.

    `match` is a key, a number, a buyer's CPF or CNPJ, an NCM, or a word of infCpl or xPed; of a question or an event it
    is the key, of a voiding its first number.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    match: str = Field(min_length=1)
    cStat: str = Field(pattern=r"^\d{3,4}$")
    xMotivo: str | None = None
    operation: Literal["NFeAutorizacao4", "NFeConsultaProtocolo4", "NFeRecepcaoEvento4", "NFeInutilizacao4"] = (
        "NFeAutorizacao4"
    )
    times: int | None = Field(default=None, ge=1)


class RegisteredTaxpayer(BaseModel):
    """One registration of a company or a person in the register of a unit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    uf: str = Field(pattern=r"^[A-Z]{2}$")
    ie: str = Field(pattern=r"^\d{2,14}$")
    cnpj: str | None = Field(default=None, pattern=r"^[0-9A-Z]{12}\d{2}$")
    cpf: str | None = Field(default=None, pattern=r"^\d{11}$")
    is_active: bool = True

    @model_validator(mode="after")
    def _has_one_holder(self) -> Self:
        if (self.cnpj is None) is (self.cpf is None):
            raise ValueError("a registration has either cnpj or cpf")
        return self
