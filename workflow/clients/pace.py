"""How long to wait before asking Amazon for a verdict: learnt from how long the last ones took, kept in Redis.

Status questions are the scarce plan (1.133 a second, seller and operation). The first wait grows by a third when a
verdict was not there at the first question and shrinks a little when it was, so that about one shipment in ten needs a
second question, whatever Amazon's pace is today.
"""

from datetime import timedelta

from redis import Redis
from redis.exceptions import RedisError

#: 0.97 nine times against 1.3 once: the pace rests where nine of ten verdicts are there at the first question.
SHORTER, LONGER = 0.97, 1.3
#: How long a pace is remembered without a verdict.
KEPT_FOR = timedelta(days=2)


class Pace:
    """The first wait of each seller, between a shortest and a longest one; without Redis the shortest."""

    def __init__(self, redis: Redis, *, shortest: timedelta, longest: timedelta) -> None:
        self._redis = redis
        self._shortest, self._longest = shortest, longest

    def first(self, seller: str) -> timedelta:
        """From the submission to the first question."""
        try:
            kept = self._redis.get(_key(seller))
        except RedisError:
            return self._shortest
        return self._within(float(kept)) if isinstance(kept, bytes) else self._shortest

    def learn(self, seller: str, *, questions: int) -> None:
        """A verdict was there at the n-th question."""
        first = self.first(seller)
        learnt = self._within(first.total_seconds() * (SHORTER if questions == 1 else LONGER))
        if learnt == first == self._shortest:
            return  # which is what it is without being kept
        try:
            self._redis.set(_key(seller), f"{learnt.total_seconds():.3f}", ex=KEPT_FOR)
        except RedisError:
            return  # a hint only

    def _within(self, seconds: float) -> timedelta:
        return min(max(timedelta(seconds=seconds), self._shortest), self._longest)


def after(first: timedelta, questions: int, *, longest: timedelta) -> timedelta:
    """From the n-th question to the next: half the first wait, then doubling.

    >>> [after(timedelta(minutes=4), n, longest=timedelta(minutes=15)).seconds // 60 for n in (1, 2, 3, 4)]
    [2, 4, 8, 15]
    """
    seconds = max(first.total_seconds(), 0.4) / 2 * 2.0 ** min(questions - 1, 20)
    return min(timedelta(seconds=seconds), longest)


def _key(seller: str) -> str:
    return f"nfe:pace:{seller}"
