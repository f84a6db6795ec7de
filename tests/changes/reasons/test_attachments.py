"""Files with a request: checked, kept while the form comes back, bound by the digest, and only ever downloaded."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from accounts.approvals.subjects import DecisionRefused
from accounts.changes.models import Change
from accounts.changes.reasons import uploads
from accounts.changes.reasons.background import Given, UploadGone, is_altered
from accounts.changes.reasons.file_check import NotAccepted, check, safe_name
from accounts.changes.reasons.models import Attachment, Background, Upload
from accounts.changes.reasons.uploads import forget_uploads
from accounts.changes.scheduling.timing import Timing
from accounts.changes.states import ChangeState
from riskadmin.audit.models import Event
from riskadmin.staff.models import Staff
from tests.changes.pages import new, text_of, typed
from tests.changes.reasons.files import JPEG, MAIL, PDF, PNG, PROGRAM, TEXT, named, uploaded_file
from tests.changes.world import LOCKED, approve, ask, make_account, taken_back, written

NOTHING = (0, 0, 0, 0)
COPY_OF_ATTACHMENT = """
    INSERT INTO reasons_attachment (change_id, position, name, size, sha256, content)
    SELECT change_id, 2, name, size, sha256, content FROM reasons_attachment
"""
OTHER_CONTENT = """
    INSERT INTO reasons_upload (id, name, size, sha256, content, created_by_id)
    SELECT gen_random_uuid(), name, size, sha256, 'x', created_by_id FROM reasons_upload
"""


@pytest.fixture
def support_client(client: Client, support: Staff, sent: list[Any]) -> Client:
    """Support's browser, and a locked account 101."""
    make_account(101, LOCKED)
    client.force_login(support)
    return client


@pytest.fixture
def change(support: Staff, sent: list[Any]) -> Change:
    """An unlock that waits, with a file."""
    make_account(101, LOCKED)
    return ask(support, "unlock", 101, given=Given(uploads=(uploaded_file(support),)))


def page_of(support_client: Client) -> Any:
    return support_client.get(new("unlock"), {"account": "demo:101"})


class TestChecks:
    @pytest.mark.parametrize(
        ("given", "stored"),
        [
            ("../../etc/passwd.txt", "passwd.txt"),
            ("C:\\Users\\me\\letter.pdf", "letter.pdf"),
            ("invoice\u202efdp.exe", "invoicefdp.exe"),
            ("a\u200bb\u2066c\x00d\r\n.txt", "abcd.txt"),
            ("...hidden.txt", "hidden.txt"),
            ('a<b>:"c|?*.txt', "a_b___c___.txt"),
            ("טופס.pdf", "טופס.pdf"),
            ("x" * 300 + ".pdf", "x" * 116 + ".pdf"),
            ("..", ""),
        ],
    )
    def test_names_are_stored_as_they_are_shown(self, given: str, stored: str) -> None:
        assert safe_name(given) == stored

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("a.pdf", PDF),
            ("a.PNG", PNG),
            ("a.jpg", JPEG),
            ("a.jpeg", JPEG),
            ("a.eml", MAIL),
            ("a.txt", TEXT),
            ("a.txt", "höflich".encode("utf-16")),
        ],
    )
    def test_what_is_what_it_is_called_is_accepted(self, name: str, content: bytes) -> None:
        check(name, content)

    @pytest.mark.parametrize(
        ("name", "content", "why"),
        [
            ("a.exe", PROGRAM, "files are accepted"),
            ("a.svg", b"<svg/>", "files are accepted"),
            ("pdf", PDF, "files are accepted"),
            ("", PDF, "A file without a name"),
            ("a.pdf", PROGRAM, "its content is not that of a pdf file"),
            ("a.pdf", b"<html>%PDF-", "its content is not that of a pdf file"),
            ("a.png", JPEG, "its content is not that of a png file"),
            ("a.jpg", PNG, "its content is not that of a jpg file"),
            ("a.eml", PROGRAM, "its content is not that of a eml file"),
            ("a.eml", TEXT, "its content is not that of a eml file"),
            ("a.txt", PROGRAM, "Save it as UTF-8 text"),
            ("a.txt", b"caf\xe9", "Save it as UTF-8 text"),
            ("a.txt", b"", "it is empty"),
        ],
    )
    def test_what_is_something_else_is_refused(self, name: str, content: bytes, why: str) -> None:
        with pytest.raises(NotAccepted, match=why):
            check(name, content)


@pytest.mark.django_db
class TestForm:
    def test_files_are_stored_with_the_change(self, support_client: Client) -> None:
        files = [named("../request\u202e.pdf", PDF), named("mail.eml", MAIL)]
        answer = support_client.post(new("unlock"), typed(page_of(support_client), new_files=files))
        assert answer.status_code == 303
        stored = [(each.position, each.name, bytes(each.content), each.sha256) for each in Attachment.objects.order_by("pk")]
        hashes = [hashlib.sha256(content).hexdigest() for content in (PDF, MAIL)]
        assert stored == [(1, "request.pdf", PDF, hashes[0]), (2, "mail.eml", MAIL, hashes[1])]
        event = Event.objects.get(tag="change:attachment:added")
        assert event.detail == {"files": [["request.pdf", hashes[0]], ["mail.eml", hashes[1]]]}
        shown = text_of(support_client.get(answer["Location"]))
        assert "<bdi>request.pdf</bdi>" in shown
        assert hashes[0] in shown

    def test_what_was_uploaded_outlives_an_error_and_another_preview(self, support_client: Client) -> None:
        first = support_client.post(
            new("unlock"), typed(page_of(support_client), reason_text="", new_files=[named("a.pdf", PDF)])
        )
        assert (first.status_code, written()) == (422, NOTHING)
        kept = str(Upload.objects.get().pk)
        assert first.context["form"]["attached"].value() == [kept]
        again = {**typed(first, new_files=[named("b.txt", TEXT)]), "attached": [kept], "show": "skipped 1"}
        second = support_client.post(new("unlock"), again)
        both = second.context["form"]["attached"].value()
        assert (second.status_code, both[0], len(both)) == (200, kept, 2)
        assert "a.pdf, " in text_of(second)
        only_one = support_client.post(new("unlock"), {**typed(second), "attached": both[1:]})
        assert only_one.status_code == 303
        assert [each.name for each in Attachment.objects.all()] == ["b.txt"]

    @override_settings(ATTACHMENT_MAX_BYTES=100)
    def test_what_is_refused_is_not_kept_and_the_form_is(self, support_client: Client, subtests: pytest.Subtests) -> None:
        four = [named(f"{number}.pdf", PDF) for number in range(4)]
        for name, files, why in (
            ("too large", [named("a.txt", b"x" * 101)], "a.txt is not attached: it has 101\xa0bytes, and at most 100\xa0bytes"),
            ("disguised", [named("a.pdf", PROGRAM)], "a.pdf is not attached: its content is not that of a pdf file."),
            ("another kind", [named("gpj\u202e.exe", PROGRAM)], "gpj.exe is not attached: PDF, PNG"),
            ("one too many", four, "3.pdf is not attached: a request has at most 3 files."),
        ):
            with subtests.test(name), taken_back():
                answer = support_client.post(new("unlock"), typed(page_of(support_client), new_files=files, ticket="HELP-1"))
                form = answer.context["form"]
                assert (answer.status_code, list(form.errors)) == (422, ["new_files"])
                assert form.errors["new_files"][0].startswith(why)
                assert (form["ticket"].value(), form["reason_text"].value()) == ("HELP-1", "Asked for by hand")
                assert (written(), Upload.objects.count()) == (NOTHING, len(files) - 1)
                for file in files:
                    file.seek(0)
                shown = support_client.post(new("unlock"), {**typed(page_of(support_client), new_files=files), "preview": "1"})
                assert (shown.status_code, why in shown.content.decode()) == (200, True)

    def test_only_ones_own_uploads_that_are_still_here(self, support_client: Client, supervisor: Staff) -> None:
        foreign = uploaded_file(supervisor)
        for named_id in (str(foreign.pk), "00000000-0000-0000-0000-000000000000", "x"):
            answer = support_client.post(new("unlock"), typed(page_of(support_client), attached=[named_id]))
            assert (answer.status_code, list(answer.context["form"].errors)) == (422, ["attached"])
        assert (written(), Attachment.objects.count()) == (NOTHING, 0)

    def test_unused_ones_are_forgotten(self, support: Staff, monkeypatch: pytest.MonkeyPatch) -> None:
        uploaded_file(support)
        assert forget_uploads() == 0
        monkeypatch.setattr(uploads, "KEPT_FOR", -uploads.KEPT_FOR)
        assert (forget_uploads(), Upload.objects.count()) == (1, 0)

    def test_a_forgotten_one_stops_the_request(self, support: Staff, sent: list[Any]) -> None:
        make_account(101, LOCKED)
        upload = uploaded_file(support)
        Upload.objects.all().delete()
        with pytest.raises(UploadGone):
            ask(support, "unlock", 101, given=Given(uploads=(upload,)))
        assert (written(), Background.objects.count()) == (NOTHING, 0)


@pytest.mark.django_db
class TestBound:
    def test_another_file_or_name_is_another_digest(self, support: Staff, sent: list[Any]) -> None:
        make_account(101, LOCKED)
        key = uuid4()
        digests = set()
        for name, content in (("a.pdf", PDF), ("b.pdf", PDF), ("a.pdf", PDF + b"x")):
            with taken_back():
                given = Given(uploads=(uploaded_file(support, name, content),))
                digests.add(ask(support, "unlock", 101, form_key=key, given=given).digest)
        assert len(digests) == 3

    def test_postgresql_keeps_them(self, change: Change, subtests: pytest.Subtests) -> None:
        connection.cursor().execute("SET CONSTRAINTS ALL IMMEDIATE")
        for statement, rule in (
            ("UPDATE reasons_attachment SET name = 'b.pdf'", "background_stays"),
            ("DELETE FROM reasons_attachment", "background_stays"),
            ("TRUNCATE reasons_attachment", "background_stays"),
            ("UPDATE reasons_upload SET content = 'x'", "background_stays"),
            (
                COPY_OF_ATTACHMENT,
                "background_comes_with_change",
            ),
            (
                OTHER_CONTENT,
                "upload_as_hashed",
            ),
        ):
            with subtests.test(statement):
                with pytest.raises(IntegrityError) as refused, transaction.atomic():
                    connection.cursor().execute(statement)
                assert refused.value.__cause__.diag.constraint_name == rule  # type: ignore[union-attr]

    @pytest.mark.parametrize(
        "swap",
        [
            lambda: Attachment.objects.update(content=b"x", size=1, sha256=hashlib.sha256(b"x").hexdigest()),
            lambda: Attachment.objects.update(name="other.pdf"),
            lambda: Attachment.objects.all().delete(),
        ],
        ids=["content", "name", "gone"],
    )
    def test_a_swapped_one_is_refused_at_approval(self, change: Change, supervisor: Staff, swap: Callable[[], Any]) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("ALTER TABLE reasons_attachment DISABLE TRIGGER USER")
        swap()
        with pytest.raises(DecisionRefused, match="are not those of the request"):
            approve(supervisor, change)
        change.refresh_from_db()
        assert (change.state, change.approval.approvals.count()) == (ChangeState.PENDING, 0)
        assert Event.objects.filter(tag="change:decision:refused", change_id=change.pk).count() == 1

    def test_the_end_of_a_lock_repeats_the_ticket_and_not_the_file(self, support: Staff, sent: list[Any]) -> None:
        make_account(101)
        given = Given(ticket="HELP-1", uploads=(uploaded_file(support),))
        lock = ask(support, "lock", 101, given=given, timing=Timing(ends_at=timezone.now() + timedelta(hours=1)))
        end = lock.followers.get()
        assert (end.background.ticket, end.attachments.count(), lock.attachments.count()) == ("HELP-1", 0, 1)
        assert not is_altered(lock)
        assert not is_altered(end)

    def test_the_same_one_is_approved(self, change: Change, supervisor: Staff) -> None:
        assert approve(supervisor, change).state == ChangeState.RUNNING


@pytest.mark.django_db
def test_it_is_only_downloaded_and_each_download_is_recorded(change: Change, supervisor: Staff, client: Client) -> None:
    client.force_login(supervisor)
    attachment = change.attachments.get()
    answer = client.post(reverse("reasons:download", args=[attachment.pk]))
    assert (answer.status_code, answer.content) == (200, PDF)
    assert answer["Content-Disposition"] == 'attachment; filename="request.pdf"'
    assert (answer["Content-Type"], answer["X-Content-Type-Options"]) == ("application/octet-stream", "nosniff")
    event = Event.objects.get(tag="change:attachment:downloaded")
    assert (event.staff_id, event.change_id) == (supervisor.pk, change.pk)
    assert event.detail == {"files": [["request.pdf", attachment.sha256]]}
