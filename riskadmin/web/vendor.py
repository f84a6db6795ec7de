"""Front-end parts from the npm registry, kept in the repository: no CDN and no build step.

    python -m riskadmin.web.vendor            verify every kept file against static/vendor/manifest.json
    python -m riskadmin.web.vendor refresh    fetch the versions below with `npm pack` and rewrite files and manifest

A new version or icon is a change to this file and a refresh.
"""

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MANIFEST = Path("static/vendor/manifest.json")
SPRITE = Path("static/vendor/tabler-icons/icons.svg")
ICON_PACKAGE = "@tabler/icons"

# The icons in the sprite. A test checks that each is used, and that each icon used is here.
ICONS = (
    "activity",
    "adjustments",
    "alert-octagon",
    "alert-triangle",
    "archive",
    "arrow-down-circle",
    "arrow-right",
    "ban",
    "bell",
    "calendar-event",
    "check",
    "chevron-down",
    "chevron-left",
    "chevron-right",
    "chevrons-left",
    "circle-check",
    "circle-dashed",
    "circle-x",
    "clock",
    "clock-off",
    "coin",
    "copy",
    "device-desktop",
    "download",
    "equal",
    "first-aid-kit",
    "flame",
    "gavel",
    "help-circle",
    "history",
    "home",
    "hourglass",
    "inbox",
    "info-circle",
    "keyboard",
    "list-check",
    "loader",
    "lock",
    "lock-open",
    "logout",
    "menu-2",
    "moon",
    "player-pause",
    "player-play",
    "player-skip-forward",
    "refresh",
    "rotate",
    "scale",
    "search",
    "send",
    "sun",
    "switch-horizontal",
    "trending-up",
    "user-check",
    "user-circle",
    "wallet",
    "x",
)


class VendorError(Exception):
    """A vendored file is missing, altered or unknown, or a package can't be fetched. The message says which."""


@dataclass(frozen=True)
class Package:
    """One npm package and its vendored files: each file's place in the repository, and in the package."""

    name: str
    version: str
    licence: str
    directory: Path
    files: Mapping[str, str]
    # Files that the package itself lacks and that were added by hand: its licence text.
    by_hand: tuple[str, ...] = field(default=())

    @property
    def paths(self) -> list[Path]:
        """Every vendored file of this package except the sprite."""
        return [self.directory / name for name in (*self.files, *self.by_hand)]


PACKAGES = (
    Package(
        name="@tabler/core",
        version="1.6.1",
        licence="MIT",
        directory=Path("static/vendor/tabler"),
        files={"tabler.min.css": "dist/css/tabler.min.css"},
        by_hand=("LICENSE",),
    ),
    Package(
        name=ICON_PACKAGE,
        version="3.51.0",
        licence="MIT",
        directory=SPRITE.parent,
        files={"LICENSE": "LICENSE"},
    ),
    Package(
        name="@fontsource-variable/inter",
        version="5.3.0",
        licence="OFL-1.1",
        directory=Path("static/vendor/inter"),
        files={
            "inter-latin.woff2": "files/inter-latin-wght-normal.woff2",
            "inter-latin-ext.woff2": "files/inter-latin-ext-wght-normal.woff2",
            "LICENSE": "LICENSE",
        },
    ),
    Package(
        name="axe-core",
        version="4.14.1",
        licence="MPL-2.0",
        directory=Path("tests/browser/vendor"),
        files={"axe.min.js": "axe.min.js", "LICENSE": "LICENSE", "LICENSE-3RD-PARTY.txt": "LICENSE-3RD-PARTY.txt"},
    ),
)


def verify(root: Path = ROOT) -> None:
    """Check that the vendored files are exactly those of the manifest. Raises `VendorError` naming the first that isn't."""
    recorded: dict[str, str] = {}
    for package in json.loads((root / MANIFEST).read_text(encoding="utf-8"))["packages"]:
        recorded |= package["files"]
    present = {str(path.relative_to(root)) for path in _kept_files(root)}
    for missing in sorted(recorded.keys() - present):
        raise VendorError(f"{missing} is in the manifest but not there.")
    for unknown in sorted(present - recorded.keys()):
        raise VendorError(f"{unknown} is there but not in the manifest.")
    for path, digest in recorded.items():
        if _sha256(root / path) != digest:
            raise VendorError(f"{path} is not the file that the manifest records.")


def refresh(root: Path = ROOT) -> None:
    """Fetch every package, write its vendored files, the icon sprite and the manifest. Raises `VendorError`."""
    for package in PACKAGES:
        with tempfile.TemporaryDirectory() as scratch:
            contents = _fetch(package, Path(scratch))
            (root / package.directory).mkdir(parents=True, exist_ok=True)
            for name, source in package.files.items():
                (root / package.directory / name).write_bytes(_without_source_map(contents[source]))
            if package.name == ICON_PACKAGE:
                (root / SPRITE).write_text(_sprite(contents), encoding="utf-8")
    (root / MANIFEST).write_text(json.dumps(_manifest(root), indent=2) + "\n", encoding="utf-8")


def _fetch(package: Package, scratch: Path) -> dict[str, bytes]:
    """The package's files by their path in the package."""
    command = ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
    try:
        subprocess.run(command, cwd=scratch, check=True, capture_output=True)  # noqa: S603  (a fixed command)
    except (OSError, subprocess.CalledProcessError) as error:
        raise VendorError(f"{' '.join(command)} failed: {error}") from error
    with tarfile.open(next(scratch.glob("*.tgz"))) as archive:
        return {
            member.name.partition("/")[2]: content.read()
            for member in archive
            if member.isfile() and (content := archive.extractfile(member)) is not None
        }


def _without_source_map(content: bytes) -> bytes:
    """Return the file without its reference to a source map that isn't vendored, which static files' storage would look for."""
    return re.sub(rb"\n?/\*# sourceMappingURL=.*?\*/|\n?//# sourceMappingURL=\S+", b"", content)


def _sprite(contents: Mapping[str, bytes]) -> str:
    """Return one SVG with a symbol for each icon, drawn by stroke as in the package."""
    symbols = []
    for icon in ICONS:
        source = contents.get(f"icons/outline/{icon}.svg")
        if source is None:
            raise VendorError(f"{ICON_PACKAGE} has no icon {icon!r}.")
        shapes = re.findall(r"<(?:path|circle|line|rect|polyline|ellipse)\b[^>]*/>", source.decode())
        drawn = "".join(shape for shape in shapes if 'stroke="none"' not in shape)  # leaves out the empty frame
        symbols.append(
            f'<symbol id="{icon}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" '
            f'stroke-linecap="round" stroke-linejoin="round">{drawn}</symbol>'
        )
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


def _manifest(root: Path) -> dict[str, Any]:
    packages = []
    for package in PACKAGES:
        paths = package.paths + ([SPRITE] if package.name == ICON_PACKAGE else [])
        packages.append(
            {
                "name": package.name,
                "version": package.version,
                "licence": package.licence,
                "files": {str(path): _sha256(root / path) for path in sorted(paths)},
            }
        )
    return {"packages": packages, "icons": list(ICONS)}


def _kept_files(root: Path) -> Iterator[Path]:
    for directory in {MANIFEST.parent, *(package.directory for package in PACKAGES)}:
        for path in (root / directory).rglob("*"):
            if path.is_file() and path != root / MANIFEST:
                yield path


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main(arguments: list[str]) -> int:
    """Verify the files, or with `refresh` fetch them first. The exit code is 1 when there is an error."""
    try:
        if arguments == ["refresh"]:
            refresh()
        elif arguments:
            print(__doc__, file=sys.stderr)  # noqa: T201  (a command-line program)
            return 2
        verify()
    except VendorError as error:
        print(error, file=sys.stderr)  # noqa: T201  (a command-line program)
        return 1
    print("Every kept file is the one the manifest records.")  # noqa: T201  (a command-line program)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
