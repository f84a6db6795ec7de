"""Notes about accounts: who may write them, that they stay as written, and that the trail has each of them."""

from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import Account, AccountNote
from accounts.pages.actions import NotAllowed, add_note
from accounts.pages.queries import NOTES_AT_MOST
from riskadmin.audit.models import Event
from riskadmin.audit.origin import Origin
from riskadmin.audit.tags import Tag
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from tests.accounts.mirrored import make_account, make_active
from tests.staff.people import make_person

pytestmark = pytest.mark.django_db

ORIGIN = Origin(request_id="0" * 32, address="127.0.0.1")


def notes_address(account: Account) -> str:
    return reverse("accounts:note", args=[account.environment, account.tradovate_id])


def page(client: Client, account: Account) -> str:
    response = client.get(reverse("accounts:detail", args=[account.environment, account.tradovate_id]))
    assert response.status_code == 200
    return response.content.decode()


def write(person: Staff, account: Account, text: str = "Called") -> AccountNote:
    return add_note(actor=person, origin=ORIGIN, account=account, text=text, form_key=uuid4())


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.SUPERVISOR])
def test_a_note_is_written_shown_and_recorded(client: Client, role: Role) -> None:
    person = make_person(role)
    client.force_login(person)
    account = make_active("EVAL-1")

    sent = {"text": "Called at noon.\r\nSays <b>the feed</b> was down", "form_key": str(uuid4())}
    answer = client.post(notes_address(account), sent)

    assert (answer.status_code, answer["Location"]) == (303, reverse("accounts:detail", args=["demo", account.tradovate_id]))
    note = AccountNote.objects.get()
    assert (note.account, note.author, note.author_name) == (account, person, person.who().name)
    assert note.text == "Called at noon.\nSays <b>the feed</b> was down"
    event = Event.objects.get(tag=Tag.ACCOUNT_NOTED)
    assert (event.staff_id, event.environment, event.account_id, event.account_name) == (
        person.pk,
        "demo",
        account.tradovate_id,
        "EVAL-1",
    )
    assert event.detail == {"note": note.pk, "text": note.text}
    shown = page(client, account)
    assert "Called at noon.<br>Says &lt;b&gt;the feed&lt;/b&gt; was down" in shown
    assert note.author_name in shown


@pytest.mark.parametrize("role", [Role.COMPLIANCE, Role.ADMINISTRATOR])
def test_who_may_not_write_reads_all_the_same(client: Client, role: Role) -> None:
    account = make_active()
    write(make_person(Role.SUPPORT), account, "Read me")
    person = make_person(role)
    client.force_login(person)

    assert "Read me" in page(client, account)
    assert "Add note" not in page(client, account)
    assert client.post(notes_address(account), {"text": "x", "form_key": str(uuid4())}).status_code == 403
    with pytest.raises(NotAllowed):
        write(person, account)
    assert AccountNote.objects.count() == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "This field is required."), ("  \n ", "This field is required."), ("x" * 2001, "at most 2000 characters")],
    ids=["empty", "blank", "long"],
)
def test_what_is_no_note_comes_back_with_what_was_typed(client: Client, text: str, said: str) -> None:
    client.force_login(make_person(Role.SUPPORT))
    account = make_active()

    answer = client.post(notes_address(account), {"text": text, "form_key": str(uuid4())})

    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert text.strip() in answer.content.decode()
    assert not AccountNote.objects.exists()
    assert not Event.objects.filter(tag=Tag.ACCOUNT_NOTED).exists()


def test_two_thousand_characters_are_as_many_as_the_browser_counts(client: Client) -> None:
    client.force_login(make_person(Role.SUPPORT))
    text = "\n".join(["x" * 999, "y" * 1000])  # browsers send each line's end as two characters
    answer = client.post(notes_address(make_active()), {"text": text.replace("\n", "\r\n"), "form_key": str(uuid4())})
    assert answer.status_code == 303
    assert AccountNote.objects.get().text == text


def test_a_double_click_is_one_note(client: Client) -> None:
    client.force_login(make_person(Role.SUPPORT))
    account = make_active()
    sent = {"text": "Once", "form_key": str(uuid4())}
    for _ in range(2):
        assert client.post(notes_address(account), sent).status_code == 303
    assert AccountNote.objects.count() == 1
    assert Event.objects.filter(tag=Tag.ACCOUNT_NOTED).count() == 1


def test_one_persons_key_does_not_block_anothers() -> None:
    account, key = make_active(), uuid4()
    people = [make_person(Role.SUPPORT), make_person(Role.SUPERVISOR)]
    notes = [add_note(actor=each, origin=ORIGIN, account=account, text="Mine", form_key=key) for each in people]
    assert notes[0] != notes[1]


def test_no_event_no_note(monkeypatch: pytest.MonkeyPatch) -> None:
    def unwritable(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("riskadmin.audit.actions.copy_in", unwritable)
    with pytest.raises(OSError, match="disk full"):
        write(make_person(Role.SUPPORT), make_active())
    assert not AccountNote.objects.exists()


def test_an_account_that_is_gone_can_be_written_about(client: Client) -> None:
    client.force_login(make_person(Role.SUPPORT))
    account = make_account(archived=True, closed=True)
    assert client.post(notes_address(account), {"text": "Closed it", "form_key": str(uuid4())}).status_code == 303
    assert client.post("/accounts/demo/999999/notes/", {"text": "x", "form_key": str(uuid4())}).status_code == 404


def test_the_newest_are_first_and_only_so_many_shown(client: Client) -> None:
    person = make_person(Role.SUPPORT)
    client.force_login(person)
    account, other = make_active(), make_active()
    write(person, other, "Of another account")
    for number in range(NOTES_AT_MOST + 1):
        write(person, account, f"Note {number:02}.")

    shown = page(client, account)

    assert "Note 00." not in shown
    assert shown.index("Note 20.") < shown.index("Note 01.")
    assert "Older notes are in the history below." in shown
    assert "Of another account" not in shown


def test_an_account_with_notes_is_not_deleted() -> None:
    account = make_active()
    write(make_person(Role.SUPPORT), account)
    with pytest.raises(IntegrityError), transaction.atomic():
        account.delete()
