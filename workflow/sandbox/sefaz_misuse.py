"""Consumo indevido: who asks too often is answered 656 for a window, which begins anew with each try.

Source: MOC 7.0 Anexo I, 4.3; NT 2018.002.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Hashable
from typing import Any

from workflow.sandbox.sefaz_settings import SefazSettings


class Misuse:
    """Counts the calls of a window, and keeps the blocks; `clock` gives Unix time."""

    def __init__(self, settings: Callable[[], SefazSettings], clock: Callable[[], float]) -> None:
        self._settings = settings
        self._clock = clock
        self._calls: defaultdict[Hashable, deque[float]] = defaultdict(deque)
        self._blocked: dict[tuple[str, str], float] = {}

    def is_blocked(self, cnpj: str, service: str) -> bool:
        """Whether 656 is in force for this CNPJ and service; asking renews it."""
        until = self._blocked.get((cnpj, service), 0.0)
        if not self._settings().misuse or self._clock() >= until:
            return False
        self.block(cnpj, service)
        return True

    def block(self, cnpj: str, service: str) -> None:
        """Put 656 in force for the window."""
        self._blocked[cnpj, service] = self._clock() + self._settings().window_seconds

    def is_too_often(self, what: Hashable, limit: int) -> bool:
        """Count one more call about `what`, and say whether the window holds more than `limit` (0: no limit)."""
        if not self._settings().misuse or limit == 0:
            return False
        calls = self._calls[what]
        calls.append(self._clock())
        while calls[0] <= self._clock() - self._settings().window_seconds:
            calls.popleft()
        return len(calls) > limit

    def dump(self) -> list[dict[str, Any]]:
        """The blocks, as JSON values."""
        return [{"cnpj": cnpj, "service": service, "until": until} for (cnpj, service), until in self._blocked.items()]
