"""Connections to the test database as each of the three roles, signed in as they are in earnest."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from riskadmin.local.postgres import APPLICATION, AUDITOR
from tests.servers import Servers, own_database, with_database, with_role

AddressOf = Callable[[str], str]


@pytest.fixture
def address_of(servers: Servers, django_db_setup: None) -> AddressOf:
    """Return the address of the migrated test database for a role."""
    return lambda role: with_role(with_database(servers.database_url, own_database()), role)


@pytest.fixture
def superuser(servers: Servers, django_db_setup: None) -> Iterator[psycopg.Connection]:
    """A superuser, whose statements are committed at once."""
    with psycopg.connect(with_database(servers.database_url, own_database()), autocommit=True) as connection:
        yield connection


@pytest.fixture
def application(address_of: AddressOf) -> Iterator[psycopg.Connection]:
    """The application's role, in a transaction that is rolled back."""
    with psycopg.connect(address_of(APPLICATION)) as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def auditor(address_of: AddressOf) -> Iterator[psycopg.Connection]:
    """The auditor's role, in a transaction that is rolled back."""
    with psycopg.connect(address_of(AUDITOR)) as connection:
        yield connection
        connection.rollback()
