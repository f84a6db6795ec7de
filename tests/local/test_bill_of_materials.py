"""The software bill of materials names what is installed, and nothing of where it came from."""

import json
import re

from riskadmin.local.bill_of_materials import document
from riskadmin.local.places import PROJECT


def test_it_names_every_locked_package_and_every_served_one() -> None:
    lock = (PROJECT / "requirements.lock").read_text()
    locked = {
        f"pkg:pypi/{name}@{version}" for name, version in re.findall(r"^([a-z0-9._-]+)(?:\[.*\])?==(\S+)", lock, re.MULTILINE)
    }
    found = {each["purl"] for each in document()["components"]}
    assert len(locked) > 50
    assert {purl for purl in found if purl.startswith("pkg:pypi/")} == locked
    assert {purl.partition("@")[0] for purl in found - locked} == {
        "pkg:npm/%40tabler/core",
        "pkg:npm/%40tabler/icons",
        "pkg:npm/%40fontsource-variable/inter",
    }


def test_each_has_the_hashes_of_its_lock() -> None:
    lock = (PROJECT / "requirements.lock").read_text()
    found = [each["value"] for part in document()["components"] for each in part.get("properties", ())]
    assert sorted(found) == sorted(re.findall(r"--hash=sha256:([0-9a-f]{64})", lock))


def test_it_is_the_same_each_time_and_names_no_index() -> None:
    text = json.dumps(document())
    assert text == json.dumps(document())
    assert "://" not in text
    assert "timestamp" not in text


def test_nearly_every_package_names_its_licence() -> None:
    without = [each["name"] for each in document()["components"] if "licenses" not in each]
    assert len(without) < 5, without
