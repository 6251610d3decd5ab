"""Changes that are made whole or not at all."""

import sqlite3
from contextlib import closing

import pytest

from atrio.history.transactions import transaction


@pytest.fixture
def connection(tmp_path):
    with closing(sqlite3.connect(tmp_path / "some.db", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        yield connection


def change(connection, *statements):
    with transaction(connection):
        for each in statements:
            connection.execute(each)


def count(connection):
    return connection.execute("SELECT count(*) FROM orders").fetchone()[0]


def test_a_block_that_ends_is_kept(connection):
    change(connection, "INSERT INTO orders VALUES (1)")
    assert (count(connection), connection.in_transaction) == (1, False)


@pytest.mark.parametrize("statement", ["INSERT INTO orders VALUES (1)", "INSERT OR ROLLBACK INTO orders VALUES (1)"])
def test_of_a_block_that_raises_nothing_is_kept(connection, statement):
    """Whether SQLite goes back by itself, as it does where the disk is full, or leaves it to others."""
    with pytest.raises(sqlite3.IntegrityError):
        change(connection, "INSERT INTO orders VALUES (1)", statement)
    assert (count(connection), connection.in_transaction) == (0, False)


def test_another_one_does_not_come_in_between(connection, tmp_path):
    with (
        closing(sqlite3.connect(tmp_path / "some.db", isolation_level=None, timeout=0)) as other,
        transaction(connection),
        pytest.raises(sqlite3.OperationalError, match="locked"),
        transaction(other),
    ):
        pytest.fail("two at once")
