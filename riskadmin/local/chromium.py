"""A Chromium for the browser tests: found, or installed. A missing one is always reported.

`python -m riskadmin.local.chromium` does this and prints the path.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import sync_playwright

from riskadmin.local.program import CannotStart

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ON_MACOS = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
LOOK_WITHIN_S = 60.0

MISSING = """No Chromium for the browser tests, and none could be installed. Any of these helps:
  - install one so that `chromium` or `google-chrome` is on PATH (Debian: apt-get install chromium);
  - let Playwright download its own: .venv/bin/python -m playwright install --with-deps chromium
What was tried:
"""


def find() -> Path:
    """Return a Chromium that runs. Raises CannotStart when there is none."""
    for candidate in _candidates():
        if _runs(candidate):
            return candidate
    raise CannotStart(MISSING + "  - looked on PATH and for Playwright's own")


def find_or_install() -> Path:
    """Like `find`, but install one first: Playwright's, else, as root, the system's."""
    try:
        return find()
    except CannotStart:
        tried = []
    for command in _install_commands():
        print(f"installing a Chromium: {' '.join(command)}", flush=True)
        tried.append("\n      ".join([f"  - {' '.join(command)}", *_attempt(command)]))
        try:
            return find()
        except CannotStart:
            continue
    raise CannotStart(MISSING + "\n".join(tried))


def _attempt(command: list[str]) -> list[str]:
    """Run a command and return its exit code and its last output."""
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    except OSError as error:
        return [str(error)]
    return [f"exit code {done.returncode}", *done.stdout.strip().splitlines()[-3:]]


def _candidates() -> Iterator[Path]:
    for name in NAMES:
        if found := shutil.which(name):
            yield Path(found)
    yield ON_MACOS
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
    yield own


def _runs(binary: Path) -> bool:
    """Return whether it starts. A package without its libraries, or a stub that asks for a snap, does not."""
    if not binary.exists():
        return False
    try:
        done = subprocess.run([binary, "--version"], capture_output=True, timeout=LOOK_WITHIN_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _install_commands() -> Iterator[list[str]]:
    root = os.geteuid() == 0
    playwright = [sys.executable, "-m", "playwright", "install", *(["--with-deps"] if root else []), "chromium"]
    yield playwright
    if root and shutil.which("apt-get"):
        yield ["apt-get", "update"]
        yield ["apt-get", "install", "--yes", "--no-install-recommends", "chromium"]


if __name__ == "__main__":
    try:
        print(f"Chromium: {find_or_install()}")
    except CannotStart as error:
        sys.exit(f"\n{error}")
