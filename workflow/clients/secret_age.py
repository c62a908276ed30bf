"""Since when a client secret has been in use: Amazon wants it rotated every 180 days.

That counts from the first look at it. Redis keeps the moment under a digest, from which nobody gets the secret back.
"""

import hashlib
from datetime import UTC, datetime, timedelta

from redis import Redis
from redis.exceptions import RedisError

from workflow.errors import RetryLater

#: Amazon's limit; what is older opens nothing.
LIFE = timedelta(days=180)
#: A secret at which nobody looked for so long is forgotten.
_KEPT = timedelta(days=730)


def used_since(redis: Redis, secret: str, *, now: datetime) -> datetime:
    """The moment (UTC) of the first look at the secret, maybe this one; RetryLater where Redis does not answer."""
    name = f"nfe:lwa-secret:{hashlib.sha256(secret.encode()).hexdigest()[:32]}"
    try:
        redis.set(name, now.timestamp(), nx=True, ex=_KEPT)
        found = redis.get(name)
    except RedisError as error:
        raise RetryLater("redis-unavailable", "Redis does not tell a secret's age; see NFE_REDIS_URL") from error
    return now if found is None else datetime.fromtimestamp(float(found), UTC)
