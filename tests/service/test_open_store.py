"""A URL names a store, or the error says what a URL looks like and keeps passwords to itself."""

import os
import sqlite3
from pathlib import Path

import pytest

from segue.core.errors import MissingExtra, SettingsError
from segue.service.event_store import StoreAway
from segue.service.open_store import open_store
from segue.service.postgres_store import PostgresStore
from segue.service.sqlite_store import SqliteStore
from service.postgres_server import PASSWORD, PostgresServer


def test_a_file_relative_and_absolute_and_a_store_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_store("sqlite:///near.db").close()
    open_store(f"sqlite:///{tmp_path}/far%20away.db").close()
    assert {"near.db", "far away.db"} <= set(os.listdir(tmp_path))
    for url in ("sqlite://:memory:", "sqlite:///:memory:"):
        store = open_store(url)
        assert store.count() == 0
        store.close()
    assert set(os.listdir(tmp_path)) == {"near.db", "far away.db"}


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("mysql://me:hidden@host/x", "kind 'mysql'"),
        ("me:hidden@host", "no URL"),
        ("", "no URL"),
        ("sqlite://", "three slashes"),
        ("sqlite:///", "three slashes"),
        ("sqlite://events.db", "three slashes"),
        ("sqlite:///no/such/folder/hidden.db", "no folder no/such/folder .an absolute path has four slashes"),
        ("postgresql://me:hidden%zz@host/x", "%40"),
        ("postgresql://me:hidden@host:port:port/x?a=b", "cannot be read"),
    ],
)
def test_what_is_wrong_is_said_without_the_password(url: str, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint) as caught:
        open_store(url)
    assert "hidden%" not in str(caught.value)
    assert "me:hidden" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_folder_and_a_file_that_is_something_else_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be opened"):
        open_store(f"sqlite:///{tmp_path}")
    (tmp_path / "words").write_text("not a database, but long enough to be looked at as if it were one" * 20)
    with pytest.raises(SettingsError, match="not a database"):
        open_store(f"sqlite:///{tmp_path / 'words'}")
    assert (tmp_path / "words").read_text().startswith("not a database")
    with sqlite3.connect(tmp_path / "theirs.db") as theirs:
        theirs.execute("CREATE TABLE things (name TEXT)")
    theirs.close()
    with pytest.raises(SettingsError, match="another program"):
        open_store(f"sqlite:///{tmp_path / 'theirs.db'}")


def test_a_store_of_another_version_is_refused(store_url: str) -> None:
    store = open_store(store_url)
    if isinstance(store, SqliteStore):
        store._writer.execute("PRAGMA user_version = 99")
    else:
        with store._connections.one(5) as connection:
            connection.execute("UPDATE segue_version SET version = 99")
    store.close()
    with pytest.raises(SettingsError, match="version 99, and this Segue reads version 1"):
        open_store(store_url)


def test_postgresql_that_is_not_there_says_where_it_looked() -> None:
    with pytest.raises(StoreAway, match=r"PostgreSQL at 127\.0\.0\.1:9, database x does not answer") as caught:
        open_store("postgresql://me:hidden@127.0.0.1:9/x")
    assert "hidden" not in str(caught.value)


def test_a_wrong_password_is_not_repeated(postgres: PostgresServer) -> None:
    with pytest.raises(StoreAway, match="authentication failed") as caught:
        open_store(f"postgresql://segue:hidden@127.0.0.1:{postgres.port}/postgres")
    assert "hidden" not in str(caught.value)
    store = PostgresStore(postgres.url())
    assert PASSWORD not in store.where + repr(store)


def test_a_database_that_cannot_hold_every_text_is_refused(postgres: PostgresServer) -> None:
    import psycopg

    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(SettingsError, match="encoded in LATIN1"):
        open_store(postgres.url("latin"))


def test_without_the_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import segue.core.extras as extras

    def absent(name: str):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(extras.importlib, "import_module", absent)
    with pytest.raises(MissingExtra, match=r"pip install 'segue\[postgres\]'"):
        open_store("postgresql://me:hidden@host/x")


def test_who_only_reads_makes_nothing(tmp_path: Path, postgres: PostgresServer) -> None:
    with pytest.raises(SettingsError, match="there is no store"):
        open_store(f"sqlite:///{tmp_path / 'none.db'}", make=False)
    assert not list(tmp_path.iterdir())
    url = postgres.new_database()
    with pytest.raises(SettingsError, match="holds no store") as caught:
        open_store(url, make=False)
    assert PASSWORD not in str(caught.value)
    open_store(url).close()
    open_store(url, make=False).close()
