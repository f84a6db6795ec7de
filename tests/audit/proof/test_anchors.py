"""Handing checkpoints outside: to a file, to a real S3-compatible server, and to a real time-stamp authority."""

import subprocess
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest
import requests
import time_machine
from botocore.exceptions import ClientError
from django.utils import timezone
from moto.server import ThreadedMotoServer
from pytest_django import Settings

from riskadmin.audit.proof.actions import seal
from riskadmin.audit.proof.anchors.actions import hand_outside
from riskadmin.audit.proof.anchors.lateness import outside
from riskadmin.audit.proof.anchors.time_stamp import NotStamped, stamp
from riskadmin.audit.proof.models import Checkpoint
from riskadmin.audit.proof.verify_export import notes_in
from tests.audit.events import write

pytestmark = pytest.mark.django_db

CONFIG = """
[req]
distinguished_name = dn
[dn]
[tsa]
extendedKeyUsage = critical,timeStamping
keyUsage = critical,digitalSignature
[tsa_config]
dir = .
serial = ./serial
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
"""


def sealed() -> Checkpoint:
    write()
    checkpoint = seal().checkpoint
    assert checkpoint
    return checkpoint


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """OpenSSL as a time-stamp authority behind a small server: its address, and its root's certificate."""
    folder = tmp_path_factory.mktemp("authority")

    def openssl(*arguments: str, given: bytes = b"") -> bytes:
        return subprocess.run(["openssl", *arguments], cwd=folder, input=given, capture_output=True, check=True).stdout

    (folder / "config").write_text(CONFIG)
    (folder / "serial").write_text("01")
    new = ("req", "-config", "config", "-newkey", "rsa:2048", "-nodes", "-sha256")
    openssl(*new, "-x509", "-keyout", "root.key", "-out", "root.pem", "-subj", "/CN=Root", "-days", "3650")
    openssl(*new, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", "/CN=Authority")
    signing = ("-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-days", "3650", "-sha256")
    openssl("x509", "-req", "-in", "tsa.csr", "-out", "tsa.pem", *signing, "-extfile", "config", "-extensions", "tsa")

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            (folder / "query").write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
            asked = ("-queryfile", "query", "-signer", "tsa.pem", "-inkey", "tsa.key")
            reply = openssl("ts", "-reply", "-config", "config", "-section", "tsa_config", *asked)
            self.send_response(200)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", folder
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """A bucket with object lock on an S3-compatible server: its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    _client(address).create_bucket(Bucket="evidence", ObjectLockEnabledForBucket=True)
    yield f"{address}/evidence/trail"
    server.stop()


def _client(address: str) -> "boto3.client":
    known = {"aws_access_key_id": "writer", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    return boto3.client("s3", endpoint_url=address, **known)


def test_the_file_grows_by_each_checkpoint_when_its_time_has_come(settings: Settings, tmp_path: Path) -> None:
    settings.AUDIT_ANCHOR_FILE = str(tmp_path / "anchors.txt")
    assert hand_outside() == []  # nothing was sealed yet
    first = sealed()
    assert [anchor.size for anchor in hand_outside()] == [first.size]
    second = sealed()
    assert hand_outside() == []  # five minutes have not passed
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        assert [anchor.size for anchor in hand_outside()] == [second.size]
        assert hand_outside() == []  # nothing new
    assert notes_in((tmp_path / "anchors.txt").read_text()) == [first.note, second.note]


def test_what_is_late_is_counted_from_the_first_that_is_missing(settings: Settings, tmp_path: Path) -> None:
    assert outside().configured == ()
    settings.AUDIT_ANCHOR_FILE = str(tmp_path / "nowhere" / "anchors.txt")
    checkpoint = sealed()
    assert hand_outside() == []
    assert not outside().is_late
    with time_machine.travel(timezone.now() + timedelta(seconds=settings.AUDIT_ANCHOR_LATE_SECONDS + 60)):
        sealed()
        found = outside()
        assert (found.late, found.since) == (("an append-only file",), checkpoint.made_at)
        (tmp_path / "nowhere").mkdir()
        assert len(hand_outside()) == 1
        assert not outside().is_late


def test_the_bucket_keeps_each_checkpoint_under_a_lock(settings: Settings, bucket: str) -> None:
    settings.AUDIT_ANCHOR_S3 = bucket
    settings.AUDIT_ANCHOR_S3_ACCESS_KEY, settings.AUDIT_ANCHOR_S3_SECRET_KEY = "writer", "secret"
    checkpoint = sealed()
    (anchor,) = hand_outside()
    client = _client(bucket.removesuffix("/evidence/trail"))
    named = {"Bucket": "evidence", "Key": f"trail/{checkpoint.size:015}.txt", "VersionId": bytes(anchor.receipt).decode()}
    stored = client.get_object(**named)
    assert stored["Body"].read().decode() == checkpoint.note
    assert stored["ObjectLockMode"] == "COMPLIANCE"
    assert stored["ObjectLockRetainUntilDate"] > timezone.now() + timedelta(days=1826)
    with pytest.raises(ClientError, match="AccessDenied"):
        client.delete_object(**named)
    settings.AUDIT_ANCHOR_S3 = bucket.replace("evidence", "elsewhere")  # there is no such bucket
    sealed()
    with time_machine.travel(timezone.now() + timedelta(minutes=6)):
        assert hand_outside() == []


def test_the_authority_s_stamp_is_verified_before_it_counts(
    settings: Settings, authority: tuple[str, Path], tmp_path: Path
) -> None:
    url, folder = authority
    settings.AUDIT_ANCHOR_TSA, settings.AUDIT_ANCHOR_TSA_CERTIFICATES = url, str(folder / "root.pem")
    checkpoint = sealed()
    (anchor,) = hand_outside()
    # OpenSSL itself says so too, as the README of an export says.
    (tmp_path / "note").write_text(checkpoint.note)
    (tmp_path / "stamp").write_bytes(bytes(anchor.receipt))
    verify = ["openssl", "ts", "-verify", "-data", "note", "-in", "stamp", "-CAfile", str(folder / "root.pem")]
    assert subprocess.run(verify, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    (tmp_path / "note").write_text(checkpoint.note + "x")
    assert subprocess.run(verify, cwd=tmp_path, capture_output=True, check=False).returncode == 1
    # Another root is not trusted.
    make = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Stranger", "-keyout", "k", "-out", "stranger.pem"]
    subprocess.run(["openssl", *make], cwd=tmp_path, capture_output=True, check=True)
    with pytest.raises(NotStamped, match="not valid"):
        stamp(url, b"text", str(tmp_path / "stranger.pem"), 10)
    with pytest.raises(requests.RequestException):
        stamp("http://127.0.0.1:1/", b"text", str(folder / "root.pem"), 10)
