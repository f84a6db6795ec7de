"""Connections to PostgreSQL and Redis over TLS: only to a server with a certificate of the named authority, for the named host.

The servers of the tests have no TLS of their own, so a terminator stands before each, as a proxy would.
"""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import psycopg
import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kombu import Connection
from kombu.exceptions import OperationalError

from riskadmin.database.addresses import address
from riskadmin.local.postgres import PORT
from tests.servers import Servers
from tests.test_settings import load

SSL_REQUEST: Final = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
HOUR: Final = timedelta(hours=1)


def certificate(directory: Path, host: str) -> Path:
    """Make a certificate for a host, signed by itself, and so its own authority; return the file with it and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - HOUR)
        .not_valid_after(now + HOUR)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = directory / f"{made.serial_number}.pem"
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + private)
    return file


@contextmanager
def terminator(pem: Path, target: str, *, of_postgres: bool = False, client: Path | None = None) -> Iterator[int]:
    """Take TLS away before a unix socket; return the port that it listens at. With `client`, only that certificate gets in."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    if client:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client)
    stopped = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def handle(connection: socket.socket) -> None:
            with connection, ExitStack() as sockets:
                try:
                    if of_postgres and connection.recv(len(SSL_REQUEST)) == SSL_REQUEST:
                        connection.sendall(b"S")
                    secured = sockets.enter_context(context.wrap_socket(connection, server_side=True))
                    server = sockets.enter_context(socket.socket(socket.AF_UNIX))
                    server.connect(target)
                    back = threading.Thread(target=pump, args=(server, secured), daemon=True)
                    back.start()
                    pump(secured, server)
                    back.join()
                except OSError:  # the client did not like the certificate
                    return

        def accept() -> None:
            while True:
                connection, _ = listener.accept()
                if stopped.is_set():
                    connection.close()
                    return
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            stopped.set()
            socket.create_connection(listener.getsockname()).close()  # so that it looks
            thread.join()


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Pass on what comes until the end, then end the other side."""
    try:
        while part := source.recv(65_536):
            sink.sendall(part)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


@pytest.fixture
def pem(tmp_path: Path) -> Callable[[str], Path]:
    return lambda host: certificate(tmp_path, host)


def test_redis_is_reached_only_with_a_certificate_of_the_named_authority(
    servers: Servers, pem: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert servers.valkey is not None
    right, wrong, elsewhere = pem("127.0.0.1"), pem("127.0.0.1"), pem("127.0.0.2")

    def settings(port: int, authority: Path) -> dict[str, str]:
        url = f"rediss://127.0.0.1:{port}/0?ssl_cert_reqs=required&ssl_check_hostname=true&ssl_ca_certs={authority}"
        assert servers.valkey is not None
        return load(monkeypatch, REDIS_URL=url, REDIS_PASSWORD=servers.valkey.password)

    def ping(found: dict[str, str]) -> bool:
        with redis.Redis.from_url(found["REDIS_URL"]) as client:
            return bool(client.ping())

    with terminator(right, str(servers.valkey.socket)) as port:
        found = settings(port, right)
        assert ping(found)
        with Connection(found["CELERY_BROKER_URL"]) as broker:
            broker.ensure_connection(max_retries=1, timeout=10)
        refused = settings(port, wrong)
        with pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
            ping(refused)
        with (
            Connection(refused["CELERY_BROKER_URL"]) as broker,
            pytest.raises(OperationalError, match="CERTIFICATE_VERIFY_FAILED"),
        ):
            broker.ensure_connection(max_retries=1, timeout=10)
    with (
        terminator(elsewhere, str(servers.valkey.socket)) as port,
        pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        ping(settings(port, elsewhere))


def test_postgresql_is_reached_only_with_a_certificate_of_the_named_authority(
    servers: Servers, pem: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert servers.postgres is not None
    right, wrong, elsewhere = pem("127.0.0.1"), pem("127.0.0.1"), pem("127.0.0.2")

    def connect(port: int, authority: Path) -> psycopg.Connection:
        url = f"postgresql://postgres@127.0.0.1:{port}/template1?sslmode=verify-full&sslrootcert={authority}"
        return psycopg.connect(address(load(monkeypatch, DATABASE_URL=url)["DATABASES"]["default"]))

    target = str(servers.postgres.sockets / f".s.PGSQL.{PORT}")
    with terminator(right, target, of_postgres=True) as port:
        with connect(port, right) as connection:
            assert connection.pgconn.ssl_in_use
            assert connection.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
            connect(port, wrong)
    with (
        terminator(elsewhere, target, of_postgres=True) as port,
        pytest.raises(psycopg.OperationalError, match="does not match"),
    ):
        connect(port, elsewhere)


def test_a_certificate_of_our_own_is_shown_to_servers_that_ask_for_one(
    servers: Servers, pem: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert servers.valkey is not None
    assert servers.postgres is not None
    server, ours, other = pem("127.0.0.1"), pem("127.0.0.1"), pem("127.0.0.1")
    for file in (ours, other):
        file.chmod(0o600)  # libpq refuses a key that others can read

    def redis_url(port: int, own: Path) -> dict[str, str]:
        query = f"ssl_cert_reqs=required&ssl_ca_certs={server}&ssl_certfile={own}&ssl_keyfile={own}"
        assert servers.valkey is not None
        return load(monkeypatch, REDIS_URL=f"rediss://127.0.0.1:{port}/0?{query}", REDIS_PASSWORD=servers.valkey.password)

    with terminator(server, str(servers.valkey.socket), client=ours) as port:
        found = redis_url(port, ours)
        with redis.Redis.from_url(found["REDIS_URL"]) as client:
            assert client.ping()
        with Connection(found["CELERY_BROKER_URL"]) as broker:
            broker.ensure_connection(max_retries=1, timeout=10)
        with redis.Redis.from_url(redis_url(port, other)["REDIS_URL"]) as client, pytest.raises(redis.ConnectionError):
            client.ping()

    def connect(port: int, own: Path) -> psycopg.Connection:
        query = f"sslmode=verify-full&sslrootcert={server}&sslcert={own}&sslkey={own}"
        url = f"postgresql://postgres@127.0.0.1:{port}/template1?{query}"
        return psycopg.connect(address(load(monkeypatch, DATABASE_URL=url)["DATABASES"]["default"]))

    socket_of_postgres = str(servers.postgres.sockets / f".s.PGSQL.{PORT}")
    with terminator(server, socket_of_postgres, of_postgres=True, client=ours) as port:
        with connect(port, ours) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError):
            connect(port, other)
