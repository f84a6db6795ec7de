"""Create the project's virtual environment, or find quickly that it is up to date.

The Makefile runs this file with the system's Python before anything is installed. So it uses only the standard library, and
no syntax that an old Python could not parse: it has to be able to report that the Python is too old.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
OLDEST_PYTHON = (3, 11)


class CannotStart(Exception):
    """The environment could not be created. The text says what failed, why, and what to do."""


def main(arguments: list[str]) -> int:
    """Bring the project's `.venv` (ours by default) up to date. The exit code is 1 when that failed."""
    project = Path(arguments[0]).resolve() if arguments else PROJECT
    try:
        check_python()
        Environment(project).update()
    except CannotStart as error:
        print(f"\nCan't make the environment: {error}", file=sys.stderr)
        return 1
    return 0


def check_python() -> None:
    """Raise CannotStart when this Python is too old or can't make a virtual environment."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info < OLDEST_PYTHON:
        raise CannotStart(
            f"{sys.executable} is Python {version}, and 3.11 or newer is needed.\n"
            "Install one, and name it if it is not `python3`: make demo PYTHON=python3.11"
        )
    try:
        import ensurepip  # noqa: F401, PLC0415 - Debian keeps these two in a package of their own
        import venv  # noqa: F401, PLC0415
    except ImportError as error:
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        raise CannotStart(
            f"{sys.executable} has no module `{error.name}`, so it can't make a virtual environment.\n"
            f"Install it; on Debian and Ubuntu: apt-get install {package}\n"
            "Or name another Python: make demo PYTHON=/path/to/python3"
        ) from error


class Environment:
    """The project's `.venv`: the locked packages, and in `.venv/tools` the tools that install them."""

    def __init__(self, project: Path) -> None:
        """Set the paths. Nothing is created yet."""
        self.project = project
        self.path = project / ".venv"
        self.tools = self.path / "tools"
        self.python = self.path / "bin" / "python"
        self.lock = project / "requirements-dev.lock"
        self.tools_lock = project / "requirements-uv.lock"
        self._stamp = self.path / "up-to-date"

    def update(self) -> None:
        """Install what the lock lists, unless that is already done. Raises CannotStart."""
        fresh = self._fingerprint()
        if self._stamp.exists() and self._stamp.read_text() == fresh and self.python.exists():
            return
        self._make()
        self._install()
        self._find_project()
        self._stamp.write_text(fresh)

    def _fingerprint(self) -> str:
        """Return a digest of everything the environment depends on: both locks, the Python, the path (scripts contain it)."""
        digest = hashlib.sha256()
        for part in (self.lock.read_bytes(), self.tools_lock.read_bytes(), sys.version.encode(), os.fsencode(self.path)):
            digest.update(hashlib.sha256(part).digest())
        return digest.hexdigest()

    def _make(self) -> None:
        """Create the bare environment, again if it belongs to another Python or another path."""
        made_for = f"{sys.version}\n{self.path}"
        note = self.path / "made-for"
        if note.exists() and note.read_text() == made_for and self.python.exists():
            return
        say(f"making {self.path} with Python {sys.version.split()[0]}")
        run("make the virtual environment", [sys.executable, "-m", "venv", "--clear", "--without-pip", str(self.path)])
        run("make the installer's environment", [sys.executable, "-m", "venv", "--clear", str(self.tools)])
        note.write_text(made_for)

    def _install(self) -> None:
        """Install the lock with uv, or with pip, which takes ten times as long, where uv can't run."""
        say(f"installing {self.lock.name}")
        pip = [str(self.tools / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]
        uv = str(self.tools / "bin" / "uv")
        try:
            run("install uv", [*pip, "install", "--require-hashes", "-r", str(self.tools_lock)])
            run("install the packages by uv", [uv, "pip", "sync", "--quiet", "--python", str(self.python), str(self.lock)])
        except CannotStart as error:
            say(f"{error}\ntrying pip instead")
            into = ["--python", str(self.python), "install", "--require-hashes"]
            run("install the packages by pip", [*pip, *into, "-r", str(self.lock)])

    def _find_project(self) -> None:
        """Let every program of the environment import the project, whatever directory it is called from."""
        for packages in self.path.glob("lib/python3.*/site-packages"):
            (packages / "project.pth").write_text(f"{self.project}\n")


def run(what: str, command: list[str]) -> None:
    """Run a command to its end. Raises CannotStart with its last output when it fails."""
    # Ignore other environments, and don't download an interpreter.
    env = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME"}}
    env["UV_PYTHON_DOWNLOADS"] = "never"
    if shutil.which(command[0]) is None:
        raise CannotStart(f"could not {what}: there is no {command[0]}")
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        words = "\n".join(f"  {line}" for line in done.stdout.splitlines()[-15:])
        raise CannotStart(f"could not {what} (exit code {done.returncode}):\n{words}")


def say(line: str) -> None:
    """Print a line and flush it."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
