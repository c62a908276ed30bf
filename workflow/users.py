"""Who may log in to the operator's page, and as what; their sessions, which end when the user is disabled.

A session is a random token that the browser holds and the database knows by its hash: nobody can make one, and each
can be ended here. It ends by itself when nobody used it for a while, and in any case after a working day.
"""

import hashlib
import os
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import delete, func, select, update

from workflow import passwords
from workflow.errors import Invalid, Misconfigured
from workflow.models import Role, WebSession, WebUser, table
from workflow.settings import Settings
from workflow.store import Store

USER, SESSION = table(WebUser), table(WebSession)

#: The first operator of an embedded installation, and the file that holds the password.
FIRST, PASSWORD_FILE = "operator", "operator-password"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
#: How often a session that is used is written again.
_NOTED_EVERY = timedelta(minutes=1)


class User(NamedTuple):
    """A person who is logged in."""

    name: str
    role: Role
    language: str | None


class Users:
    """Questions about users and sessions, beside the store's about shipments."""

    def __init__(self, store: Store, *, idle: timedelta, longest: timedelta) -> None:
        self._store = store
        self._idle = idle
        self._longest = longest

    # -- users ----------------------------------------------------------------------------------------------

    def put(self, name: str, role: Role, password: str) -> None:
        """Add a user, or replace role and password of one, who must log in anew; raise Invalid for a bad name."""
        if not _NAME.fullmatch(name):
            raise Invalid("bad-user", "a user's name has 1 to 64 letters, digits and . _ @ -; choose another")
        now = self._store.now()
        values = {"role": role, "password_hash": passwords.hashed(password), "disabled_at": None, "updated_at": now}
        with self._store.writing() as connection:
            connection.execute(
                self._store.insert(USER)
                .values(values | {"name": name, "created_at": now})
                .on_conflict_do_update(index_elements=["name"], set_=values)
            )
            connection.execute(delete(SESSION).where(SESSION.c.user_name == name))

    def disable(self, name: str) -> bool:
        """Keep the user out from now on, sessions included; False when there is no such user."""
        now = self._store.now()
        with self._store.writing() as connection:
            done = connection.execute(update(USER).where(USER.c.name == name).values(disabled_at=now, updated_at=now))
            connection.execute(delete(SESSION).where(SESSION.c.user_name == name))
        return done.rowcount == 1

    def all(self) -> Sequence[Any]:
        """Every user by name, without the hash: name, role, disabled_at, created_at, and when last seen."""
        seen = select(func.max(SESSION.c.seen_at)).where(SESSION.c.user_name == USER.c.name).scalar_subquery()
        with self._store.reading() as connection:
            return connection.execute(
                select(USER.c.name, USER.c.role, USER.c.disabled_at, USER.c.created_at, seen.label("seen_at")).order_by(
                    USER.c.name
                )
            ).all()

    def can_anybody_enter(self) -> bool:
        """Whether there is a user who is not disabled."""
        with self._store.reading() as connection:
            return (
                connection.execute(select(USER.c.name).where(USER.c.disabled_at.is_(None)).limit(1)).first() is not None
            )

    def choose_language(self, name: str, language: str) -> None:
        """Keep the language that a user chose."""
        with self._store.writing() as connection:
            connection.execute(update(USER).where(USER.c.name == name).values(language=language))

    # -- sessions -------------------------------------------------------------------------------------------

    def check(self, name: str, password: str) -> User | None:
        """The user, if this is the password; it takes as long whether the user exists or not."""
        with self._store.reading() as connection:
            row = connection.execute(select(*USER.c).where(USER.c.name == name)).one_or_none()
        is_right = passwords.fits(password, row.password_hash if row is not None else _nobody())
        if row is None or not is_right or row.disabled_at is not None:
            return None
        return User(row.name, Role(row.role), row.language)

    def begin(self, user: User, address: str) -> str:
        """A new session's token; what has ended by itself is swept away."""
        now, token = self._store.now(), secrets.token_urlsafe(32)
        with self._store.writing() as connection:
            connection.execute(
                delete(SESSION).where(
                    (SESSION.c.seen_at <= now - self._idle) | (SESSION.c.created_at <= now - self._longest)
                )
            )
            connection.execute(
                self._store.insert(SESSION).values(
                    token_hash=_hash(token), user_name=user.name, address=address, created_at=now, seen_at=now
                )
            )
        return token

    def of(self, token: str, *, is_used: bool = True) -> User | None:
        """Whose session it is; None when it has ended. A page that asks by itself is no use of it."""
        now = self._store.now()
        statement = (
            select(USER.c.name, USER.c.role, USER.c.language, SESSION.c.seen_at)
            .join_from(SESSION, USER, SESSION.c.user_name == USER.c.name)
            .where(
                SESSION.c.token_hash == _hash(token),
                SESSION.c.seen_at > now - self._idle,
                SESSION.c.created_at > now - self._longest,
                USER.c.disabled_at.is_(None),
            )
        )
        with self._store.reading() as connection:
            row = connection.execute(statement).one_or_none()
        if row is None:
            return None
        if is_used and now - row.seen_at > min(_NOTED_EVERY, self._idle / 2):
            self._see(token, now)
        return User(row.name, Role(row.role), row.language)

    def _see(self, token: str, now: datetime) -> None:
        with self._store.writing() as connection:
            connection.execute(update(SESSION).where(SESSION.c.token_hash == _hash(token)).values(seen_at=now))

    def end(self, token: str) -> None:
        """End a session."""
        with self._store.writing() as connection:
            connection.execute(delete(SESSION).where(SESSION.c.token_hash == _hash(token)))


def users_of(store: Store, settings: Settings) -> Users:
    """The installation's users."""
    return Users(store, idle=settings.web_idle, longest=settings.web_session)


def somebody(store: Store, settings: Settings) -> Path | None:
    """See to it that somebody can log in, or raise Misconfigured.

    An embedded installation, whose folder is its owner's alone, gets a first operator: the file with its password is
    given once. Whoever was kept out is not let in again.
    """
    users = users_of(store, settings)
    made = _first_operator(users, settings.data_dir) if settings.is_embedded and not users.all() else None
    if not users.can_anybody_enter():
        raise Misconfigured(
            "no-user", "nobody could log in to the operator's page; add somebody: nfe user add NAME --role operator"
        )
    return made


def _first_operator(users: Users, folder: Path) -> Path:
    path, password = folder / PASSWORD_FILE, passwords.drawn()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # with a PostgreSQL of its own nobody may have made it yet
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(f"{password}\n")
    users.put(FIRST, Role.OPERATOR, password)
    return path


def _hash(token: str) -> str:
    """A random token needs no salt and no slowness."""
    return hashlib.sha256(token.encode()).hexdigest()


@cache
def _nobody() -> str:
    """What a password is compared with where there is no user."""
    return passwords.hashed(secrets.token_urlsafe(32))
