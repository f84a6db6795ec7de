"""What is installed: each direct dependency has its reason, each lock its hashes, and none names an index."""

import re
import tomllib

import pytest

from riskadmin.local.places import PROJECT

PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())
GROUPS: dict[str, list[str]] = PYPROJECT["dependency-groups"]
PRODUCT: list[str] = PYPROJECT["project"]["dependencies"]
TELEMETRY: list[str] = PYPROJECT["project"]["optional-dependencies"]["telemetry"]
LOCKS = {
    "requirements.lock": PRODUCT,
    "requirements-telemetry.lock": [*PRODUCT, *TELEMETRY],
    "requirements-simulator.lock": GROUPS["simulator"],
    "requirements-dev.lock": [*PRODUCT, *TELEMETRY, *GROUPS["simulator"], *GROUPS["embedded"], *GROUPS["dev"]],
    "requirements-uv.lock": GROUPS["installer"],
}


def name_of(requirement: str) -> str:
    found = re.match(r"[\w.-]+", requirement)
    assert found
    return found[0].lower()


def test_each_direct_dependency_has_its_reason() -> None:
    reasons = re.findall(r"^\| ([\w.-]+) \| \S", (PROJECT / "docs" / "dependencies.md").read_text(), flags=re.MULTILINE)
    direct = [*PRODUCT, *TELEMETRY, *(requirement for group in GROUPS.values() for requirement in group)]
    assert sorted(set(reasons) - {"package"}) == sorted(name_of(requirement) for requirement in direct)


def locked(lock: str) -> set[str]:
    return set(re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==", (PROJECT / lock).read_text(), flags=re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_every_direct_dependency(lock: str) -> None:
    assert {name_of(requirement) for requirement in LOCKS[lock]} <= locked(lock)


def test_production_holds_nothing_of_the_simulator_or_of_development() -> None:
    of_groups = {name_of(requirement) for group in GROUPS.values() for requirement in group} | {"pandas", "numpy"}
    assert locked("requirements.lock") & (of_groups | {name_of(requirement) for requirement in TELEMETRY}) == set()
    assert locked("requirements-telemetry.lock") & of_groups == set()
    assert locked("requirements-simulator.lock") & {name_of(requirement) for requirement in PRODUCT} == set()


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_of_a_lock_has_hashes(lock: str) -> None:
    text = (PROJECT / lock).read_text()
    packages = re.split(r"^(?=[\w.-]+(?:\[[\w,]+\])?==)", text, flags=re.MULTILINE)[1:]
    assert packages
    assert all("--hash=sha256:" in package for package in packages)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_index(lock: str) -> None:
    text = (PROJECT / lock).read_text()
    assert "://" not in text
    assert set(re.findall(r"--[\w-]+", text)) == {"--hash"}
