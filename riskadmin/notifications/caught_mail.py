"""The demo's e-mail: Django writes it to files in EMAIL_FOLDER instead of sending it, and a page shows them."""

import email
import email.policy
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final

SHOWN_MAX: Final = 50


@dataclass(frozen=True, kw_only=True)
class CaughtMail:
    """One e-mail as it would have been sent."""

    subject: str
    recipient: str
    sent_at: datetime
    text: str
    html: str


def newest(folder: Path) -> list[CaughtMail]:
    """Return the newest e-mails in a folder, newest first. There may be no such folder yet."""
    # A file holds one e-mail, since each is sent over a connection of its own.
    files = sorted(folder.glob("*.log"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
    return [_read(file) for file in files[:SHOWN_MAX]]


def _read(file: Path) -> CaughtMail:
    # Django ends each e-mail with a line of dashes, which comes after the last part and is no part itself.
    parsed = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    return CaughtMail(
        subject=str(parsed["Subject"]),
        recipient=str(parsed["To"]),
        sent_at=parsedate_to_datetime(str(parsed["Date"])).replace(tzinfo=UTC),  # Django writes UTC
        text=_part(parsed, "plain"),
        html=_part(parsed, "html"),
    )


def _part(parsed: EmailMessage, subtype: str) -> str:
    part = parsed.get_body(preferencelist=(subtype,))
    return str(part.get_content()) if part else ""
