"""Which files a request may have: what they are called, and what is in them. Pure.

They are only ever served as downloads, so this keeps out what was attached by mistake or under a wrong name. Viruses are looked
for by `virus_check`. Five kinds, two of which are text, need no library: docs/adr/0024-what-a-request-says.md.
"""

import unicodedata
from collections.abc import Callable
from email import policy
from email.parser import BytesHeaderParser
from pathlib import PurePosixPath
from typing import Final

FILE_NAME_MAX: Final = 120
REFUSED_IN_NAMES: Final = frozenset('<>:"/\\|?*')
"""Characters that file systems refuse or read as part of a path."""

UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
TEXT_CONTROLS: Final = frozenset("\t\n\r\f")


class NotAccepted(Exception):
    """A file is not accepted; the message says why, and what to do."""


def safe_name(given: str) -> str:
    """Return a file's name as it is stored: without a path, and without characters that show nothing or turn the order."""
    name = PurePosixPath(unicodedata.normalize("NFC", given).replace("\\", "/")).name
    shown = "".join(_shown(character) for character in name)
    path = PurePosixPath(" ".join(shown.split()).lstrip(". "))
    suffix = path.suffix[:FILE_NAME_MAX]
    return f"{path.stem[: FILE_NAME_MAX - len(suffix)]}{suffix}"


def check(name: str, content: bytes) -> None:
    """Refuse a file whose name (from `safe_name`) or content is none of those accepted. Raises NotAccepted."""
    suffix = PurePosixPath(name).suffix.lower()
    looks_right = _CHECKS.get(suffix)
    if looks_right is None:
        raise NotAccepted(f"{name or 'A file without a name'} is not attached: {ACCEPTED_WORDS} files are accepted.")
    if not content:
        raise NotAccepted(f"{name} is not attached: it is empty.")
    if not looks_right(content):
        hint = " Save it as UTF-8 text." if suffix == ".txt" else ""
        raise NotAccepted(f"{name} is not attached: its content is not that of a {suffix.removeprefix('.')} file.{hint}")


def _shown(character: str) -> str:
    category = unicodedata.category(character)
    if category.startswith("C") or category in {"Zl", "Zp"}:
        return ""
    return "_" if character in REFUSED_IN_NAMES else character


def _is_pdf(content: bytes) -> bool:
    return content.startswith(b"%PDF-")


def _is_png(content: bytes) -> bool:
    return content.startswith(b"\x89PNG\r\n\x1a\n") and content[12:16] == b"IHDR"


def _is_jpeg(content: bytes) -> bool:
    return content.startswith(b"\xff\xd8\xff")


def _is_text(content: bytes) -> bool:
    try:
        text = content.decode("utf-16" if content.startswith(UTF16_MARKS) else "utf-8")
    except UnicodeDecodeError:
        return False
    return all(character in TEXT_CONTROLS or unicodedata.category(character) != "Cc" for character in text)


def _is_mail(content: bytes) -> bool:
    if b"\x00" in content:
        return False
    headers = BytesHeaderParser(policy=policy.compat32).parsebytes(content)
    return "From" in headers and any(name in headers for name in ("Date", "Received", "Subject", "To"))


_CHECKS: Final[dict[str, Callable[[bytes], bool]]] = {
    ".pdf": _is_pdf,
    ".png": _is_png,
    ".jpg": _is_jpeg,
    ".jpeg": _is_jpeg,
    ".eml": _is_mail,
    ".txt": _is_text,
}
ACCEPTED: Final = tuple(_CHECKS)
ACCEPTED_WORDS: Final = "PDF, PNG, JPEG, e-mail (.eml) and text (.txt)"
