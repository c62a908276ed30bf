"""The highest NF-e number that was given in each series, kept outside the database: an older one was restored.

It is kept before a note with the number can leave, and never falls. Redis may lose it, and then nobody knows.
"""

from collections.abc import Mapping

from redis import Redis
from redis.exceptions import RedisError

from workflow.errors import RetryLater

_NUMBERS = "nfe:{numbers}:highest"

#: KEYS: the numbers. ARGV: a series, a number.
_RAISE = """
local known = redis.call('HGET', KEYS[1], ARGV[1])
if not known or tonumber(known) < tonumber(ARGV[2]) then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
"""


class HighestNumbers:
    """The marks of all series, for whoever shares this Redis; RetryLater where it does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._raise = redis.register_script(_RAISE)

    def get(self, cnpj: str, environment: int, series: int) -> int | None:
        """The highest number given there; None where nobody has kept one."""
        try:
            found = self._redis.hget(_NUMBERS, _field(cnpj, environment, series))
        except RedisError as error:
            raise _unavailable() from error
        return None if found is None else int(found)

    def all(self) -> Mapping[tuple[str, int, int], int]:
        """Of every series: CNPJ, tpAmb, serie."""
        try:
            found = self._redis.hgetall(_NUMBERS)
        except RedisError as error:
            raise _unavailable() from error
        return {_series(field.decode()): int(number) for field, number in found.items()}  # type: ignore[union-attr]

    def keep(self, cnpj: str, environment: int, series: int, nNF: int) -> None:
        """Remember that a number was given."""
        try:
            self._raise(keys=[_NUMBERS], args=[_field(cnpj, environment, series), nNF])
        except RedisError as error:
            raise _unavailable() from error


def _field(cnpj: str, environment: int, series: int) -> str:
    return f"{cnpj}:{environment}:{series}"


def _series(field: str) -> tuple[str, int, int]:
    cnpj, environment, series = field.split(":")
    return cnpj, int(environment), int(series)


def _unavailable() -> RetryLater:
    return RetryLater("redis-unavailable", "Redis does not tell the highest numbers; see NFE_REDIS_URL")
