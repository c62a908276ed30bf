"""Who may enter, until when, and who is kept out."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.unit.conftest import Clock
from workflow import passwords
from workflow.errors import Invalid, Misconfigured
from workflow.models import Role
from workflow.settings import Settings
from workflow.store import Store
from workflow.users import FIRST, PASSWORD_FILE, SESSION, User, Users, somebody

PASSWORD = "correct horse"

#: Where the database has no part in what is shown.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that cost nothing: how slow they are is no matter here."""
    monkeypatch.setattr(passwords, "N", 2)


@pytest.fixture
def users(store: Store, clock: Clock) -> Users:
    return Users(store, idle=timedelta(minutes=30), longest=timedelta(hours=12))


@pytest.fixture
def maria(users: Users) -> User:
    users.put("maria", Role.OPERATOR, PASSWORD)
    found = users.check("maria", PASSWORD)
    assert found is not None
    return found


def test_only_the_password_opens(users: Users, maria: User) -> None:
    assert maria == User("maria", Role.OPERATOR, None)
    assert users.check("maria", "another word") is None
    assert users.check("nobody", PASSWORD) is None


@on_sqlite
def test_the_database_holds_neither_password_nor_token(users: Users, maria: User, store: Store) -> None:
    token = users.begin(maria, "127.0.0.1")
    with store.reading() as connection:
        rows = str(connection.execute(SESSION.select()).all()) + str(users.all())
    assert token not in rows
    assert PASSWORD not in rows


@on_sqlite
def test_a_session_lasts_while_it_is_used_and_no_longer_than_a_day_of_work(
    users: Users, maria: User, clock: Clock
) -> None:
    token = users.begin(maria, "127.0.0.1")
    for _ in range(25):
        assert users.of(token) == maria
        clock.pass_(minutes=29)
    assert users.of(token) is None, "twelve hours have passed"


@on_sqlite
def test_a_session_that_nobody_uses_ends(users: Users, maria: User, clock: Clock) -> None:
    token = users.begin(maria, "127.0.0.1")
    clock.pass_(minutes=30)
    assert users.of(token) is None


@on_sqlite
def test_a_page_that_asks_by_itself_keeps_no_session_alive(users: Users, maria: User, clock: Clock) -> None:
    token = users.begin(maria, "127.0.0.1")
    for _ in range(29):
        clock.pass_(minutes=1)
        assert users.of(token, is_used=False) == maria
    clock.pass_(minutes=1)
    assert users.of(token) is None


@on_sqlite
def test_an_invented_token_is_nobodys(users: Users, maria: User) -> None:
    users.begin(maria, "127.0.0.1")
    assert users.of("invented") is None


@on_sqlite
def test_a_logout_ends_one_session_and_not_the_other(users: Users, maria: User) -> None:
    here, there = users.begin(maria, "127.0.0.1"), users.begin(maria, "10.0.0.1")
    users.end(here)
    assert users.of(here) is None
    assert users.of(there) == maria


def test_a_disabled_user_is_out_at_once_and_stays_out(users: Users, maria: User) -> None:
    token = users.begin(maria, "127.0.0.1")
    assert users.disable("maria")
    assert users.of(token) is None
    assert users.check("maria", PASSWORD) is None
    assert not users.can_anybody_enter()
    assert not users.disable("nobody")


@on_sqlite
def test_a_new_password_ends_the_sessions_of_the_old_one(users: Users, maria: User) -> None:
    token = users.begin(maria, "127.0.0.1")
    users.put("maria", Role.VIEWER, "another horse")
    assert users.of(token) is None
    assert users.check("maria", PASSWORD) is None
    assert users.check("maria", "another horse") == User("maria", Role.VIEWER, None)


@on_sqlite
def test_a_chosen_language_stays(users: Users, maria: User) -> None:
    token = users.begin(maria, "127.0.0.1")
    users.choose_language("maria", "en")
    assert users.of(token) == maria._replace(language="en")


@on_sqlite
def test_sessions_that_ended_by_themselves_are_swept_away(users: Users, maria: User, clock: Clock) -> None:
    users.begin(maria, "127.0.0.1")
    clock.pass_(hours=1)
    users.begin(maria, "127.0.0.1")
    with users._store.reading() as connection:
        assert len(connection.execute(SESSION.select()).all()) == 1


@pytest.mark.parametrize("name", ["", "maria silva", "<b>", "-x", "x" * 65])
@on_sqlite
def test_a_name_that_could_be_taken_for_something_else_is_refused(users: Users, name: str) -> None:
    with pytest.raises(Invalid, match="bad-user"):
        users.put(name, Role.VIEWER, PASSWORD)


@on_sqlite
def test_the_first_operator_is_made_once_and_its_password_is_its_owners_alone(
    users: Users, store: Store, tmp_path: Path
) -> None:
    embedded = Settings(data_dir=tmp_path)
    path = somebody(store, embedded)
    assert path == tmp_path / PASSWORD_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert users.check(FIRST, path.read_text().strip()) == User(FIRST, Role.OPERATOR, None)
    assert somebody(store, embedded) is None
    users.disable(FIRST)
    with pytest.raises(Misconfigured, match="no-user"):
        somebody(store, embedded)  # whoever was kept out is not let in again


@on_sqlite
def test_in_production_nobody_is_made(store: Store, users: Users, tmp_path: Path) -> None:
    chosen = Settings(data_dir=tmp_path, redis_url="redis://broker.example")
    with pytest.raises(Misconfigured, match="no-user"):
        somebody(store, chosen)
    users.put("maria", Role.VIEWER, PASSWORD)
    assert somebody(store, chosen) is None
