"""Kept front-end parts are what the manifest says, and the icons are those in use."""

import json
import re
import shutil
from pathlib import Path

import pytest

from riskadmin.web import vendor
from riskadmin.web.vendor import ICONS, MANIFEST, PACKAGES, ROOT, SPRITE, VendorError, verify

# Where an icon can be named: templates, the Python of states and navigation, and the script.
SOURCES = [
    path
    for folder, pattern in [("templates", "*.html"), ("riskadmin", "*.py"), ("accounts", "*.py"), ("static", "app.js")]
    for path in (ROOT / folder).rglob(pattern)
    if path != Path(vendor.__file__)
]


def test_every_kept_file_is_the_one_recorded() -> None:
    verify()


def test_the_manifest_is_of_the_versions_requested() -> None:
    manifest = json.loads((ROOT / MANIFEST).read_text(encoding="utf-8"))
    assert [(package["name"], package["version"], package["licence"]) for package in manifest["packages"]] == [
        (package.name, package.version, package.licence) for package in PACKAGES
    ]
    assert manifest["icons"] == list(ICONS) == sorted(set(ICONS))
    assert all(any("LICENSE" in path for path in package["files"]) for package in manifest["packages"])


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package.directory, tmp_path / package.directory)
    shutil.copy(ROOT / MANIFEST, tmp_path / MANIFEST)
    return tmp_path


def test_an_altered_file_is_found(copy: Path) -> None:
    with (copy / SPRITE).open("a", encoding="utf-8") as file:
        file.write("<!-- -->")
    with pytest.raises(VendorError, match=r"icons\.svg is not the file that the manifest records"):
        verify(copy)


def test_a_missing_file_is_found(copy: Path) -> None:
    (copy / SPRITE).unlink()
    with pytest.raises(VendorError, match=r"icons\.svg is in the manifest but not there"):
        verify(copy)


def test_a_stray_file_is_found(copy: Path) -> None:
    (copy / MANIFEST.parent / "extra.js").write_text("", encoding="utf-8")
    with pytest.raises(VendorError, match=r"extra\.js is there but not in the manifest"):
        verify(copy)


def test_the_sprite_holds_the_icons_of_the_list() -> None:
    assert re.findall('<symbol id="([^"]+)"', (ROOT / SPRITE).read_text(encoding="utf-8")) == list(ICONS)


def test_every_icon_in_a_template_is_in_the_sprite() -> None:
    named = {
        name
        for path in SOURCES
        for name in re.findall(r"""(?:\{% icon |empty_icon=)["']([a-z0-9-]+)["']""", path.read_text(encoding="utf-8"))
    }
    assert named - set(ICONS) == set()


def test_every_icon_in_the_sprite_is_used() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    assert [icon for icon in ICONS if f'"{icon}"' not in text and f"'{icon}'" not in text] == []
