"""Files and a virus scanner: only what it calls clean is attached, also while it can't be asked."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.uploadedfile import SimpleUploadedFile
from pytest_django import Settings

from accounts.changes.reasons.models import Upload
from accounts.changes.reasons.uploads import Received, receive
from accounts.changes.reasons.virus_check import PART, NotScanned, virus_in
from riskadmin.staff.models import Staff
from tests.test_settings import load

BIG = b"%PDF-" + b"x" * (2 * PART)


@contextmanager
def scanner(answer: bytes, received: list[bytes]) -> Iterator[tuple[str, int]]:
    """A daemon that reads one file as ClamAV's does, and answers that."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as stream:
            assert stream.read(10) == b"zINSTREAM\0"
            content = b""
            while length := struct.unpack("!L", stream.read(4))[0]:
                content += stream.read(length)
            received.append(content)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()
        thread.join(60)


def attach(support: Staff) -> Received:
    return receive(support, [SimpleUploadedFile("letter.pdf", BIG)], [])


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"stream: OK\0", None),
        (b"stream: Eicar-Signature FOUND\0", "the virus scanner found Eicar-Signature in it"),
        (b"INSTREAM size limit exceeded. ERROR\0", "can't be checked for viruses now"),
        (b"", "can't be checked for viruses now"),
    ],
)
def test_only_what_is_called_clean_is_attached(support: Staff, settings: Settings, answer: bytes, says: str | None) -> None:
    received: list[bytes] = []
    with scanner(answer, received) as settings.VIRUS_SCANNER:
        found = attach(support)
    assert received == [BIG], "the scanner sees all of it"
    assert len(found.ids) == Upload.objects.count() == (1 if says is None else 0)
    assert (says is None and found.errors == ()) or (says is not None and says in found.errors[0])


def test_without_an_answer_nothing_is_attached_and_without_a_scanner_it_is(support: Staff, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings.VIRUS_SCANNER = closed = listener.getsockname()
    with pytest.raises(NotScanned):
        virus_in(b"x", closed)
    assert attach(support).ids == ()
    settings.VIRUS_SCANNER = None
    assert len(attach(support).ids) == 1


def test_its_setting_is_a_host_and_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, VIRUS_SCANNER="[::1]:3310")["VIRUS_SCANNER"] == ("::1", 3310)
    for wrong in ("clamd", ":3310", "clamd:0", "clamd:x"):
        with pytest.raises(ImproperlyConfigured, match=r"VIRUS_SCANNER\b.*must be a host and a port"):
            load(monkeypatch, VIRUS_SCANNER=wrong)
