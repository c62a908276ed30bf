"""RabbitMQ, or another broker that speaks AMQP 0-9-1: does it answer, and what waits in it.

Celery's own way to it is Kombu's; this asks what a check and the metrics want to know, one connection each.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

from amqp import Connection
from amqp.exceptions import AccessRefused, AMQPError, NotAllowed, NotFound

from workflow.errors import Away, Misconfigured

#: Seconds to connect, and to an answer.
TIMEOUT = 5.0
SCHEMES = ("amqp", "amqps")


def speaks(url: str) -> bool:
    """Whether the broker at that URL is asked in this way.

    >>> speaks("amqps://nfe:secret@rabbit.example/nfe"), speaks("rediss://redis.example"), speaks("")
    (True, False, False)
    """
    return urlsplit(url).scheme in SCHEMES


def tls(url: str) -> dict[str, Any] | None:
    """How a connection is secured: `amqps` is verified by the system's roots and the server's name; None is `amqp`.

    >>> tls("amqps://rabbit.example:5671/")["server_hostname"], tls("amqp://rabbit.example/")
    ('rabbit.example', None)
    """
    parts = urlsplit(url)
    if parts.scheme != "amqps":
        return None
    # Without the name py-amqp would take any certificate of a known root.
    return {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": parts.hostname}


def waiting(url: str, queue: str) -> int:
    """How many messages stand in the queue and have reached no worker; raise Away where nobody answers."""
    with _connected(url) as connection:
        try:
            return int(connection.channel().queue_declare(queue, passive=True).message_count)
        except NotFound:
            return 0  # nobody has made the queue yet


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    parts = urlsplit(url)
    connection = Connection(
        host=f"{parts.hostname}:{parts.port or (5671 if parts.scheme == 'amqps' else 5672)}",
        userid=unquote(parts.username or "guest"),
        password=unquote(parts.password or "guest"),
        virtual_host=unquote(parts.path[1:]) or "/",
        ssl=tls(url) or False,
        connect_timeout=TIMEOUT,
        read_timeout=TIMEOUT,
        write_timeout=TIMEOUT,
    )
    try:
        connection.connect()
        yield connection
        connection.close()
    except (AccessRefused, NotAllowed) as error:
        message = f"the broker at {parts.hostname} refuses the login; mend user, password and vhost in NFE_BROKER_URL"
        raise Misconfigured("broker-login", message) from error
    except ssl.SSLError as error:
        message = f"TLS with the broker at {parts.hostname} fails; mend NFE_BROKER_URL, or SSL_CERT_FILE"
        raise Misconfigured("broker-tls", message) from error
    except (AMQPError, OSError) as error:
        raise Away(
            "broker-unavailable",
            f"the broker at {parts.hostname} does not answer ({type(error).__name__}); start it,"
            " or mend NFE_BROKER_URL",
        ) from error
    finally:
        connection.collect()
