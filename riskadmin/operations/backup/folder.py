"""The folder of backups: one folder for each, with the dump and its manifest."""

import hashlib
import json
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from riskadmin.operations.backup.content import Content
from riskadmin.operations.backup.programs import BackupFailed

DUMP: Final = "database.dump"
MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
NAME: Final = "%Y%m%dT%H%M%SZ"
ALWAYS_KEPT: Final = 3
"""However old they are, so many of the newest are not deleted."""


@dataclass(frozen=True, kw_only=True)
class Backup:
    """A finished backup, as its manifest tells. `taken_at` is the moment that it holds: what was written later is not in it."""

    path: Path
    taken_at: datetime
    operator: str
    postgresql: int
    size: int
    sha256: str
    content: Content

    @property
    def dump(self) -> Path:
        """Its file for pg_restore."""
        return self.path / DUMP

    def write_manifest(self) -> None:
        """Write what it holds beside the dump."""
        manifest = {
            "format": FORMAT,
            "taken_at": self.taken_at.isoformat(),
            "operator": self.operator,
            "postgresql": self.postgresql,
            "size": self.size,
            "sha256": self.sha256,
            "content": self.content.to_json(),
        }
        (self.path / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def read_backup(path: Path) -> Backup:
    """Read a backup's manifest, and check that the dump is the one that it is about. Raises BackupFailed."""
    try:
        manifest: dict[str, Any] = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        if manifest["format"] != FORMAT:
            raise BackupFailed(f"{path} has the format {manifest['format']}, and this version reads {FORMAT}.")
        backup = Backup(
            path=path,
            taken_at=datetime.fromisoformat(manifest["taken_at"]),
            operator=manifest["operator"],
            postgresql=manifest["postgresql"],
            size=manifest["size"],
            sha256=manifest["sha256"],
            content=Content(**manifest["content"]),
        )
        actual = sha256_of(backup.dump)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupFailed(f"{path} is no backup that can be read: {error}") from error
    if actual != backup.sha256:
        raise BackupFailed(f"{backup.dump} is not the file that its manifest is about: its SHA-256 is {actual}.")
    return backup


def newest_backup(folder: Path) -> Path:
    """Return the newest finished backup of a folder. Raises BackupFailed when there is none."""
    found = _finished(folder)
    if not found:
        raise BackupFailed(f"There is no backup in {folder}.")
    return found[-1]


def delete_old(folder: Path, *, keep: timedelta, now: datetime) -> list[str]:
    """Delete backups that are older than that, but never the newest ones; return their names."""
    limit = (now - keep).strftime(NAME)
    old = [path for path in _finished(folder)[:-ALWAYS_KEPT] if path.name < limit]
    for path in old:
        shutil.rmtree(path)
    return [path.name for path in old]


def sha256_of(file: Path) -> str:
    """Return the digest of a file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _finished(folder: Path) -> list[Path]:
    """Return the backups of a folder, oldest first; one without a manifest was cut short."""
    return sorted(path for path in folder.glob("*T*Z") if (path / MANIFEST).exists())
