"""Exporting from the page: requested, written by the worker, downloaded, and verified by the file that is in it."""

import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from riskadmin.audit.models import Event
from riskadmin.audit.proof.actions import seal
from riskadmin.audit.proof.exporting import forget_exports, write_waiting
from riskadmin.audit.proof.models import Checkpoint, Export, ExportPart
from riskadmin.audit.tags import Tag
from riskadmin.staff.roles import Role
from tests.audit.events import write
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db


def compliance(client: Client) -> None:
    client.force_login(make_person(Role.COMPLIANCE))
    write(reason_text="=Allowed")


def verify(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the verifier that is in the export, as a stranger would: without this project."""
    command = [sys.executable, "-I", str(folder / "verify_export.py"), str(folder / "export.zip"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def downloaded(client: Client, folder: Path, **form: object) -> bytes:
    assert client.post(reverse("audit:exports"), form).status_code == 303
    assert write_waiting() == 1
    answer = client.get(reverse("audit:download", args=[Export.objects.latest("pk").pk]))
    content = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    assert len(content) == int(answer["Content-Length"])
    (folder / "export.zip").write_bytes(content)
    with zipfile.ZipFile(BytesIO(content)) as archive:
        (folder / "verify_export.py").write_bytes(archive.read("verify_export.py"))
    return content


def test_an_export_is_verified_by_a_stranger_and_an_altered_one_is_not(client: Client, tmp_path: Path) -> None:
    compliance(client)
    seal()
    (tmp_path / "anchors").write_text(f"From: riskadmin\n\n{Checkpoint.objects.latest('size').note}\nRegards")
    content = downloaded(client, tmp_path, data_format="csv", withheld=["staff"])
    good = verify(tmp_path, "--anchors", "anchors")
    assert (good.returncode, good.stdout.splitlines()[-1][:3]) == (0, "OK:"), good.stdout + good.stderr
    recorded = Event.objects.filter(tag__startswith="proof:export").order_by("pk").values_list("tag", "detail__export")
    number = Export.objects.get().pk
    assert list(recorded) == [(Tag.TRAIL_EXPORT_REQUESTED, number), (Tag.TRAIL_EXPORT_DOWNLOADED, number)]
    with zipfile.ZipFile(BytesIO(content)) as before, zipfile.ZipFile(tmp_path / "export.zip", "w") as after:
        for name in before.namelist():
            after.writestr(name, before.read(name).replace(b"Allowed", b"Refused"))
            assert not name.startswith("data/") or b"column:staff_name" not in before.read(name)
    bad = verify(tmp_path, "--anchors", "anchors")
    assert bad.returncode == 1
    assert "data/audit_event.csv row" in bad.stdout
    assert "is not what was sealed as leaf" in bad.stdout
    (tmp_path / "export.zip").write_bytes(b"no export")
    assert verify(tmp_path).returncode == 2


def test_one_row_is_verified_alone(client: Client, tmp_path: Path) -> None:
    compliance(client)
    event = Event.objects.latest("pk")
    seal()
    downloaded(client, tmp_path, data_format="jsonl", query=f"what={event.tag}")
    one = verify(tmp_path, "--row", f"audit_event:{event.pk}")
    assert one.returncode == 0, one.stdout
    assert '"reason_text": "=Allowed"' in one.stdout
    assert verify(tmp_path, "--row", "audit_event:999999").returncode == 1


def test_bad_input_writes_nothing_and_failures_are_said(client: Client, settings: Settings) -> None:
    compliance(client)
    page = client.post(reverse("audit:exports"), {"data_format": "xml", "query": ""})
    assert (page.status_code, Export.objects.count()) == (422, 0)
    page = client.post(reverse("audit:exports"), {"data_format": "csv", "query": "since=never"})
    assert (page.status_code, Export.objects.count()) == (422, 0)
    client.post(reverse("audit:exports"), {"data_format": "csv"})
    write_waiting()
    assert "Nothing has been sealed yet" in client.get(reverse("audit:exports")).content.decode()
    assert client.get(reverse("audit:download", args=[Export.objects.get().pk])).status_code == 404


def test_only_who_requested_it_gets_the_file_and_it_is_deleted_later(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compliance(client)
    seal()
    downloaded(client, tmp_path, data_format="jsonl")
    address = reverse("audit:download", args=[Export.objects.get().pk])
    client.force_login(make_person(Role.COMPLIANCE, "another"))
    assert client.get(address).status_code == 404
    assert forget_exports() == 0
    monkeypatch.setattr("riskadmin.audit.proof.exporting.KEPT", -forget_exports.__globals__["KEPT"])
    assert forget_exports() == 1
    assert not ExportPart.objects.exists()
