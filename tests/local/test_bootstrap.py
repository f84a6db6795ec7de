"""Making the environment: what it says when it can't, and that a second time costs nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from riskadmin.local import bootstrap
from riskadmin.local.places import PROJECT

SCRIPT = PROJECT / "riskadmin" / "local" / "bootstrap.py"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with locks that ask for nothing."""
    for lock in ("requirements-dev.lock", "requirements-uv.lock"):
        (tmp_path / lock).write_text("# nothing\n")
    return tmp_path


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands it runs, all of which seem to succeed."""
    found: list[list[str]] = []

    def run(_what: str, command: list[str]) -> None:
        found.append(command)
        if "--without-pip" in command:
            python = Path(command[-1]) / "bin" / "python"
            python.parent.mkdir(parents=True)
            python.touch()
            (Path(command[-1]) / "lib" / "python3.11" / "site-packages").mkdir(parents=True)

    monkeypatch.setattr(bootstrap, "run", run)
    return found


def test_a_python_without_venv_gets_install_instructions(project: Path) -> None:
    """As on Debian without its package python3-venv, where both modules are missing."""
    missing = project / "missing"
    missing.mkdir()
    (missing / "ensurepip.py").write_text("raise ModuleNotFoundError(\"No module named 'ensurepip'\", name='ensurepip')")
    done = _run(project, PYTHONPATH=str(missing))
    version = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    assert done.returncode == 1
    assert "has no module `ensurepip`" in done.stderr
    assert f"apt-get install {version}" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / ".venv").exists()


def test_an_old_python_gets_the_needed_version(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    assert bootstrap.main([]) == 1
    assert "is Python 3.9.2, and 3.11 or newer is needed" in capsys.readouterr().err


def test_the_script_is_readable_by_an_old_python() -> None:
    """Otherwise its owner sees a syntax error instead of the message."""
    import ast

    ast.parse(SCRIPT.read_text(), feature_version=(3, 7))


def test_it_installs_by_uv_what_the_lock_says(project: Path, commands: list[list[str]]) -> None:
    assert bootstrap.main([str(project)]) == 0
    venv = project / ".venv"
    assert [command[-2:] for command in commands] == [
        ["--without-pip", str(venv)],
        ["--clear", str(venv / "tools")],
        ["-r", str(project / "requirements-uv.lock")],
        [str(venv / "bin" / "python"), str(project / "requirements-dev.lock")],
    ]
    assert "--require-hashes" in commands[2]
    assert commands[3][:3] == [str(venv / "tools" / "bin" / "uv"), "pip", "sync"]


def test_the_second_time_it_does_nothing(project: Path, commands: list[list[str]]) -> None:
    bootstrap.main([str(project)])
    commands.clear()
    assert bootstrap.main([str(project)]) == 0
    assert commands == []


def test_a_changed_lock_is_installed_into_the_same_environment(project: Path, commands: list[list[str]]) -> None:
    bootstrap.main([str(project)])
    commands.clear()
    (project / "requirements-dev.lock").write_text("# something else\n")
    assert bootstrap.main([str(project)]) == 0
    assert [command[-1] for command in commands] == [
        str(project / "requirements-uv.lock"),
        str(project / "requirements-dev.lock"),
    ]


def test_pip_helps_out_where_uv_fails(
    project: Path, commands: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seeming = bootstrap.run

    def run(what: str, command: list[str]) -> None:
        seeming(what, command)
        if command[0].endswith("/uv"):
            raise bootstrap.CannotStart("could not install the packages by uv: Illegal instruction")

    monkeypatch.setattr(bootstrap, "run", run)
    assert bootstrap.main([str(project)]) == 0
    assert {"-m", "pip", "--python", "--require-hashes"} <= set(commands[-1])
    assert commands[-1][-1] == str(project / "requirements-dev.lock")
    assert "Illegal instruction" in capsys.readouterr().out


def test_a_failure_is_reported_with_the_last_output_and_not_remembered(project: Path) -> None:
    (project / "requirements-uv.lock").write_text("this is no requirement at all\n")
    (project / "requirements-dev.lock").write_text("nor is this\n")
    done = _run(project)
    assert done.returncode == 1
    assert "could not install the packages by pip (exit code" in done.stderr
    assert "nor is this" in done.stderr
    assert not (project / ".venv" / "up-to-date").exists()


def _run(project: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), str(project)], env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
