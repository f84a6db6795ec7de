"""`make demo`: the refusals before it starts, and once the whole way from nothing to ready and back."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from riskadmin.local import demo, reset
from riskadmin.local.claim import claim
from riskadmin.local.places import PROJECT, prepare
from riskadmin.local.program import CannotStart, birth, recall
from riskadmin.local.stack import free_ports
from tests.servers import bare_environment
from tests.waiting import PATIENCE_S, wait_until

PROCESSES = ("postgres", "valkey", "simulator", "web", "worker-urgent", "worker-bulk", "beat")


@pytest.fixture
def run() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="riskadmin-test-"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.mark.parametrize("text", ["", "http", "0", "65536", "-1", "80.5"])
def test_a_port_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(CannotStart, match=r"PORT is .* it must be a number from 1 to 65535"):
        demo.web_port(text)


def test_a_taken_port_is_refused_with_another_one(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart, match=rf"can't listen at 127.0.0.1:{port} .* make demo PORT={port + 1}"):
            demo.refuse_taken(port)


def test_a_second_demo_says_where_the_first_is(run: Path) -> None:
    with (
        claim(run, "http://127.0.0.1:8000"),
        pytest.raises(CannotStart, match=rf"runs already at http://127.0.0.1:8000.*kill {os.getpid()}"),
        claim(run, "http://127.0.0.1:8001"),
    ):
        pytest.fail("two demos held one directory")


def test_a_reset_refuses_while_a_demo_runs(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = run / "postgres"
    kept.mkdir()
    with claim(run, "http://127.0.0.1:8000"):
        assert reset.main([str(run)]) == 1
    assert "A demo runs already" in capsys.readouterr().err
    assert kept.exists()


def test_a_reset_forgets_everything(run: Path) -> None:
    places = prepare(run)
    (places.state / "postgres").mkdir()
    assert reset.main([str(run)]) == 0
    assert not run.exists()
    assert not places.state.exists()


def test_a_secret_key_is_made_once_and_only_its_owner_can_read_it(run: Path) -> None:
    places = prepare(run)
    key = demo.secret_key(places)
    assert len(key) >= 50
    assert demo.secret_key(places) == key
    assert (run / "secret-key").stat().st_mode & 0o777 == 0o600


def test_the_simulator_keeps_its_ports_while_they_are_free(run: Path) -> None:
    places = prepare(run)
    first = demo.simulator_ports(places)
    assert demo.simulator_ports(places) == first
    with socket.create_server(("127.0.0.1", first.live)):
        assert demo.simulator_ports(places) != first


def test_static_files_are_collected_again_only_after_a_change(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = run / "project"
    (project / "static").mkdir(parents=True)
    (project / "requirements.lock").write_text("django==5.2.19")
    (project / "static" / "app.css").write_text("body {}")
    monkeypatch.setattr(demo, "PROJECT", project)
    places = prepare(run)
    first = demo.StaticFiles(places)
    assert not first.collected
    first.remember()
    assert demo.StaticFiles(places).collected
    (project / "static" / "app.css").write_text("body { color: black }")
    assert not demo.StaticFiles(places).collected


def test_from_nothing_to_ready_and_back(run: Path) -> None:
    """Everything starts without any service of the machine's, a killed worker comes back, and SIGTERM leaves nothing."""
    (port,) = free_ports(1)
    env = {**bare_environment(), "PORT": str(port), "DEMO_PASSWORD": "a demo password"}
    parent = subprocess.Popen(
        [sys.executable, "-m", "riskadmin.local.demo", str(run)], cwd=PROJECT, env=env, stdout=subprocess.PIPE, text=True
    )
    try:
        assert parent.stdout is not None
        printed = []
        for line in parent.stdout:
            printed.append(line.split())
            if line.startswith("ready"):
                break
        assert printed[-1] == ["ready", f"http://localhost:{port}"]
        for name in ("support", "supervisor", "supervisor2", "compliance", "administrator"):
            assert [name, "a", "demo", "password"] in [words[:4] for words in printed]
        health = requests.get(f"http://127.0.0.1:{port}/readyz", timeout=PATIENCE_S)
        assert (health.status_code, health.json()["status"]) == (200, "ready")

        pids = {name: _pid(run, name) for name in PROCESSES}
        assert None not in pids.values()
        worker = pids["worker-bulk"]
        assert worker is not None
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: _pid(run, "worker-bulk") not in {None, worker})
        pids["worker-bulk"] = _pid(run, "worker-bulk")
    finally:
        parent.terminate()
        rest, _ = parent.communicate(timeout=PATIENCE_S)
    assert parent.returncode == 0
    assert "worker-bulk ended (killed by SIGKILL)" in rest
    assert rest.endswith("stopped\n")
    assert [name for name, pid in pids.items() if pid and birth(pid)] == []
    assert reset.main([str(run)]) == 0


def _pid(run: Path, name: str) -> int | None:
    return recall(run / "pids" / f"{name}.pid")
