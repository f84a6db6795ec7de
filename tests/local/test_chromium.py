"""Finding a Chromium: what does not run does not count, and where none can be had people are told, never skipped."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from riskadmin.local import chromium
from riskadmin.local.program import CannotStart


def browser(path: Path, *, exit_code: int) -> Path:
    path.write_text(f"#!/bin/sh\nexit {exit_code}\n")
    path.chmod(0o755)
    return path


def test_one_that_does_not_run_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Ubuntu's, which only says that it wants a snap."""
    stub, real = browser(tmp_path / "stub", exit_code=1), browser(tmp_path / "real", exit_code=0)
    monkeypatch.setattr(chromium, "_candidates", lambda: iter([tmp_path / "missing", stub, real]))
    assert chromium.find() == real


def test_without_any_the_commands_to_get_one_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chromium, "_candidates", lambda: iter([]))
    with pytest.raises(CannotStart, match=r"(?s)apt-get install chromium.*playwright install"):
        chromium.find()


def test_one_is_installed_where_none_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "chromium"
    source = browser(tmp_path / "downloaded", exit_code=0)
    monkeypatch.setattr(chromium, "_candidates", lambda: iter([target]))
    monkeypatch.setattr(chromium, "_install_commands", lambda: iter([["cp", str(source), str(target)]]))
    assert chromium.find_or_install() == target
    assert "installing a Chromium: cp" in capsys.readouterr().out


def test_failed_attempts_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def ways() -> Iterator[list[str]]:
        yield [sys.executable, "-c", "print('no network'); raise SystemExit(7)"]
        yield ["/nonexistent/apt-get", "install"]

    monkeypatch.setattr(chromium, "_candidates", lambda: iter([]))
    monkeypatch.setattr(chromium, "_install_commands", ways)
    with pytest.raises(CannotStart, match=r"(?s)exit code 7.*no network.*/nonexistent/apt-get"):
        chromium.find_or_install()
