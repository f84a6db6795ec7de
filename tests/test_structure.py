"""What no single test would notice: rules that hold over all the code, closed by default."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.approvals.subjects import all_subjects
from accounts.changes.kinds import KINDS
from riskadmin.celery import app
from riskadmin.local.places import Places
from riskadmin.local.stack import THREADS, Stack
from riskadmin.staff.roles import CAPABILITIES, all_capabilities
from riskadmin.tradovate.vocabulary import Lane
from riskadmin.web.access import capability_words, mark_of

PROJECT = Path(__file__).resolve().parents[1]
OURS = ("accounts", "riskadmin", "tests")
NOT_OURS = ("tests/browser/vendor",)
LINES_MAX = 500


def python_files(*folders: str) -> list[Path]:
    """Our own Python files below some folders of the project."""
    return [
        path
        for folder in folders
        for path in sorted((PROJECT / folder).rglob("*.py"))
        if not path.relative_to(PROJECT).as_posix().startswith(NOT_OURS)
    ]


def short(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def url_patterns(resolver: URLResolver | None = None) -> Iterator[URLPattern]:
    """Every URL of the project."""
    for each in (resolver or get_resolver()).url_patterns:
        if isinstance(each, URLPattern):
            yield each
        else:
            yield from url_patterns(each)


def test_every_view_says_who_may_open_it() -> None:
    unmarked = [str(each.pattern) for each in url_patterns() if mark_of(each.callback) is None]
    assert unmarked == []


class TestCapabilities:
    """The words for what somebody may do are spread over views, kinds and navigation; all must mean the same."""

    @staticmethod
    def named_in_code() -> set[str]:
        """Every text in our code or templates that looks like a capability, where one is asked for."""
        asked = re.compile(r"\b(?:requires|requires_any|may|demand)\(([^)]*)\)")
        quoted = re.compile(r"[\"']([a-z_]+(?::[a-z_]+){1,2})[\"']")
        found = {name for entry in settings.NAVIGATION for name in entry[3:4]}
        for path in python_files("accounts", "riskadmin"):
            for call in asked.findall(path.read_text(encoding="utf-8")):
                found.update(quoted.findall(call))
        found |= {subject.capability for subject in all_subjects().values()}
        return found | {kind.capability for kind in KINDS.values()}

    def test_each_one_that_is_requested_is_granted_to_some_role(self) -> None:
        assert self.named_in_code() - all_capabilities() == set()

    def test_each_one_that_is_granted_is_requested_somewhere(self) -> None:
        assert all_capabilities() - self.named_in_code() == set()

    def test_each_one_has_words_for_who_lacks_it(self) -> None:
        assert set(capability_words()) == all_capabilities()

    def test_every_view_asks_for_one_that_somebody_has(self) -> None:
        for each in url_patterns():
            mark = mark_of(each.callback)
            assert mark is not None
            assert set(mark.any_of) <= all_capabilities(), each.pattern

    def test_every_kind_can_be_requested(self) -> None:
        requesting = {name for name in all_capabilities() if name.startswith("changes:request:")}
        assert requesting == {kind.capability for kind in KINDS.values()}

    def test_who_reads_the_trail_changes_nothing(self) -> None:
        for role, capabilities in CAPABILITIES.items():
            if "audit:view" in capabilities:
                assert {name for name in capabilities if not name.endswith(":view")} == set(), role


class TestTasks:
    """Every message that is sent names a task that exists, and goes to a queue that a worker empties."""

    @staticmethod
    def loaded() -> Celery:
        app.loader.import_default_modules()
        return app

    @staticmethod
    def sent_by_name() -> list[tuple[str, ast.Call]]:
        return [
            (short(path), node)
            for path in python_files("accounts", "riskadmin")
            for node in ast.walk(parsed(path))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "send_task"
        ]

    def test_whatever_beat_starts_exists(self) -> None:
        assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} <= set(self.loaded().tasks)

    def test_whatever_is_sent_by_name_exists(self) -> None:
        names = []
        for path, call in self.sent_by_name():
            name = call.args[0]
            assert isinstance(name, ast.Constant), path
            assert "queue" in {each.arg for each in call.keywords}, path
            names.append(name.value)
        assert set(names) == {"execution.heartbeat", "execution.run_change", "execution.work"}
        assert set(names) <= set(self.loaded().tasks)

    def test_every_task_of_ours_is_started_by_somebody(self) -> None:
        ours = {name for name in self.loaded().tasks if not name.startswith(("celery.", "tests."))}
        by_name = {call.args[0].value for _, call in self.sent_by_name() if isinstance(call.args[0], ast.Constant)}
        assert ours == by_name | {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}

    def test_every_queue_has_a_worker(self, tmp_path: Path) -> None:
        stack = Stack(Places(run=tmp_path, state=tmp_path, sockets=tmp_path, account=None), {})
        emptied = {argv[argv.index("-Q") + 1] for argv in (stack.worker(lane).argv for lane in THREADS)}
        schedule: dict[str, dict[str, Any]] = settings.CELERY_BEAT_SCHEDULE
        used = {entry["options"]["queue"] for entry in schedule.values()}
        declared = {queue.name for queue in app.conf.task_queues}
        assert emptied == declared == {lane.value for lane in Lane}
        assert used | {settings.CELERY_TASK_DEFAULT_QUEUE} <= emptied
        assert settings.CELERY_TASK_CREATE_MISSING_QUEUES is False

    def test_nothing_waits_in_a_countdown(self) -> None:
        """Redis delivers a message again after the visibility timeout: long waits are a column that the sweeper reads."""
        for path in python_files("accounts", "riskadmin"):
            for node in ast.walk(parsed(path)):
                if isinstance(node, ast.Call):
                    assert not {each.arg for each in node.keywords} & {"countdown", "eta"}, short(path)


def test_only_a_claim_creates_permits() -> None:
    """No path reaches a writing endpoint except through a claimed item."""
    making = {
        short(path)
        for path in python_files("accounts", "riskadmin")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and _called(node) == "WritePermit"
    }
    assert making == {"accounts/execution/claim.py"}


def test_no_handler_swallows_unknown_errors() -> None:
    """Anyone who catches everything (to roll back, to write down that it failed) lets it go on.

    Except for messages: whatever is wrong with one, the change that it reports stands.
    """
    swallowed = [
        f"{short(path)}:{node.lineno}"
        for path in python_files("accounts", "riskadmin")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ExceptHandler) and _catches_all(node) and not _raises_on(node)
    ]
    assert [place.split(":")[0] for place in swallowed] == ["riskadmin/audit/actions.py"]


def test_no_file_is_too_long_to_read() -> None:
    long = {short(path): lines for path in python_files(*OURS) if (lines := len(path.read_text().splitlines())) > LINES_MAX}
    assert long == {}


@pytest.mark.parametrize("folder", ["accounts", "riskadmin", "tests"])
def test_no_module_is_a_drawer_for_everything(folder: str) -> None:
    drawers = {"utils", "helpers", "common", "services", "misc"}
    assert [short(path) for path in python_files(folder) if drawers & {path.stem, path.parent.name}] == []


def test_no_text_waits_to_be_done() -> None:
    waiting = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3)) + r")\b")
    assert [short(path) for path in python_files(*OURS) if waiting.search(path.read_text(encoding="utf-8"))] == []


def test_rooms_import_only_downwards() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run(
        [str(lint), "--no-cache"], cwd=PROJECT, env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout
    assert "0 broken" in result.stdout


def test_a_room_reaches_no_model_of_a_higher_one() -> None:
    """Foreign keys join packages in the database as imports do in the code, and may only point downwards too."""
    height = {
        "contenttypes": 0,
        "auth": 0,
        "sessions": 0,
        "audit": 2,
        "staff": 3,
        "duty": 3,
        "sign_in": 3,
        "account": 3,
        "mfa": 3,
        "socialaccount": 3,
        "tokens": 3,
        "staff_sessions": 3,
        "people": 3,
        "notifications": 4,
        "accounts": 5,
        "access": 5,
        "approvals": 6,
        "changes": 7,
        "reasons": 7,
        "limit_templates": 8,
        "execution": 8,
    }
    for model in apps.get_models():
        for field in model._meta.get_fields():
            if field.is_relation and field.concrete and field.related_model and not isinstance(field.related_model, str):
                assert height[field.related_model._meta.app_label] <= height[model._meta.app_label], field


def test_the_readme_lists_the_packages_in_the_order_of_the_import_rule() -> None:
    rule = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"][0]
    layers = [name for layer in rule["layers"] for name in layer.split(" | ")]
    listed = re.findall(
        r"^\| `((?:accounts|riskadmin)/\w+)` \|", (PROJECT / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert [name.replace("/", ".") for name in listed][: len(layers)] == layers


@pytest.mark.django_db
def test_the_migrations_are_those_of_the_models() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_migrations_can_be_taken_back() -> None:
    for path in python_files("accounts", "riskadmin"):
        if path.parent.name != "migrations":
            continue
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and _called(node) in {"RunSQL", "RunPython"}:
                backward = len(node.args) + sum(each.arg in {"reverse_sql", "reverse_code"} for each in node.keywords)
                assert backward > 1, short(path)


def _raises_on(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _catches_all(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(isinstance(each, ast.Name) and each.id in {"Exception", "BaseException"} for each in types)
