"""The places that the settings name. Each takes a checkpoint's note, and returns what it gave for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django.conf import settings

from riskadmin.audit.proof.anchors.bucket import Bucket
from riskadmin.audit.proof.anchors.file import append_to_file
from riskadmin.audit.proof.anchors.time_stamp import stamp
from riskadmin.audit.proof.models import Checkpoint

TIMEOUT_S: Final = 10.0


@dataclass(frozen=True)
class Given:
    """What a place gave for a checkpoint: its own receipt, if it has one, and where the checkpoint is, in words."""

    where: str
    receipt: bytes = b""


@dataclass(frozen=True)
class Place:
    """A place, by the name that receipts are stored under."""

    name: str
    label: str
    hand_over: Callable[[Checkpoint], Given]


def places() -> list[Place]:
    """Return the configured places; [] if nothing is handed outside."""
    found = []
    if settings.AUDIT_ANCHOR_FILE:
        found.append(Place("file", "an append-only file", _to_file))
    if settings.AUDIT_ANCHOR_S3:
        found.append(Place("s3", "a bucket with object lock", _to_bucket))
    if settings.AUDIT_ANCHOR_TSA:
        found.append(Place("tsa", "a time-stamp authority", _to_authority))
    return found


def _to_file(checkpoint: Checkpoint) -> Given:
    append_to_file(settings.AUDIT_ANCHOR_FILE, checkpoint.note)
    return Given(where=settings.AUDIT_ANCHOR_FILE)


def _to_bucket(checkpoint: Checkpoint) -> Given:
    bucket = Bucket(
        url=settings.AUDIT_ANCHOR_S3,
        region=settings.AUDIT_ANCHOR_S3_REGION,
        access_key=settings.AUDIT_ANCHOR_S3_ACCESS_KEY,
        secret_key=settings.AUDIT_ANCHOR_S3_SECRET_KEY,
        timeout_s=TIMEOUT_S,
    )
    key = f"{checkpoint.size:015}.txt"
    version = bucket.put_locked(key, checkpoint.note.encode(), retain_days=settings.AUDIT_ANCHOR_S3_RETAIN_DAYS)
    return Given(where=f"{settings.AUDIT_ANCHOR_S3.rstrip('/')}/{key}", receipt=version.encode())


def _to_authority(checkpoint: Checkpoint) -> Given:
    url = settings.AUDIT_ANCHOR_TSA
    return Given(where=url, receipt=stamp(url, checkpoint.note.encode(), settings.AUDIT_ANCHOR_TSA_CERTIFICATES, TIMEOUT_S))
