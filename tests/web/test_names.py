"""Names from elsewhere can't show as other ones: on every list and page, in files and in sentences, what is invisible is marked."""

import unicodedata
from typing import Final
from uuid import uuid4

import pytest
from django import forms
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.changes.models import Change
from accounts.changes.states import ItemState
from accounts.models import Account, RiskCategory, Source, Trader
from accounts.pages.forms import NoteForm
from riskadmin.audit.models import Event
from riskadmin.staff.models import Staff
from riskadmin.staff.roles import Role
from riskadmin.web.fields import LinesField, VisibleTextField
from riskadmin.web.visible import is_empty, isolated, marked
from tests.changes.world import LOCKED, ask, make_account, open_item
from tests.execution.unknown_items import make_call
from tests.limit_templates.templates import put_in_force
from tests.staff.people import make_person

TURNED: Final = "KTR\u202e321\u2066-\u200b9"
"""A name that shows another number: it turns the order of its digits, and hides a character."""

ISOLATES: Final = frozenset("\u2068\u2069")
"""What a plain text is isolated with; pages have elements for that."""


def hidden(text: str) -> set[str]:
    """Characters that no one sees in a page or file, apart from the mark at a file's beginning."""
    odd = {each for each in text.removeprefix("\ufeff") if unicodedata.category(each) == "Cf"}
    return odd - ISOLATES


@pytest.fixture
def world(db: None) -> dict[str, int]:
    """An account, a trader, a category and a person with such names, on everything that lists them."""
    fresh = {"fresh_at": timezone.now(), "source": Source.SYNC}
    category = RiskCategory.objects.create(environment="demo", tradovate_id=7, name=f"C{TURNED}", **fresh)
    trader = Trader.objects.create(environment="demo", tradovate_id=8, name=f"T{TURNED}", **fresh)
    account = make_account(101, LOCKED, name=TURNED, trader=trader, risk_category=category)
    other = make_account(102, name=f"B{TURNED}", trader=trader, risk_category=category)
    supervisor = make_person(Role.SUPERVISOR)
    Staff.objects.filter(pk=supervisor.pk).update(last_name=f"S{TURNED}")
    supervisor = Staff.objects.get(pk=supervisor.pk)
    support = make_person(Role.SUPPORT)
    Staff.objects.filter(pk=support.pk).update(last_name=f"P{TURNED}")
    support = Staff.objects.get(pk=support.pk)
    pending = ask(support, "unlock", 101, reason_text=f"For {TURNED}")
    parameters = {"id": 9, "name": f"N{TURNED}", "environment": "demo"}
    switch = ask(support, "risk_category", 102, parameters=parameters)
    unknown = open_item(support, other, "liquidate", ItemState.UNKNOWN, form_key=uuid4())
    make_call(unknown, note="No answer")
    put_in_force(support, supervisor, "A", daily_loss_alert_usd="400")
    return {"account": account.tradovate_id, "pending": pending.pk, "switch": switch.pk, "item": unknown.pk}


def addresses(world: dict[str, int]) -> list[str]:
    """Every page and file that names accounts, traders, categories or people."""
    of_change = (
        "changes:detail",
        "changes:progress",
        "changes:results",
        "execution:calls",
        "audit:change_history",
        "story:change",
    )
    of_account = (
        "accounts:detail",
        "changes:account_panel",
        "changes:account_actions",
        "audit:account_history",
        "story:account",
        "story:settings",
    )
    lists = ("home", "accounts:list", "accounts:csv", "changes:list", "changes:csv", "approvals:inbox", "changes:calendar")
    more = ("execution:unresolved", "limit_templates:list", "limit_templates:drift", "outside:list", "limit_templates:new")
    return [
        *(reverse(name) for name in (*lists, *more)),
        *(reverse(name, args=[world[change]]) for name in of_change for change in ("pending", "switch")),
        *(reverse(name, args=["demo", world["account"]]) for name in of_account),
        reverse("execution:item", args=[world["item"]]),
        f"{reverse('execution:resolve_many')}?resolution=applied&all=1",
        f"{reverse('changes:new', args=['lock'])}?account=demo:102",
        f"{reverse('changes:new', args=['unlock'])}?account=demo:101",
        f"{reverse('changes:new', args=['risk_category'])}?account=demo:102",
    ]


def body(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200, address
    content = b"".join(response) if response.streaming else response.content
    return content.decode()


def test_every_page_and_file_marks_them(client: Client, world: dict[str, int]) -> None:
    for role, pages in (
        (Role.SUPERVISOR, addresses(world)),
        (
            Role.COMPLIANCE,
            [f"{reverse('audit:list')}?every=on", *(reverse("audit:event", args=[each.pk]) for each in Event.objects.all())],
        ),
        (Role.ADMINISTRATOR, [reverse("people:list")]),
    ):
        client.force_login(Staff.objects.filter(username=role.value).first() or make_person(role))
        found = {address: hidden(body(client, address)) for address in pages}
        assert {address: odd for address, odd in found.items() if odd} == {}


def test_the_approver_sees_the_id_beside_the_name(client: Client, world: dict[str, int]) -> None:
    client.force_login(Staff.objects.get(username="supervisor"))
    page = body(client, reverse("changes:detail", args=[world["pending"]]))
    assert f'<bdi>{marked(TURNED)}</bdi> <span class="fine">101</span>' in page
    assert Change.objects.get(pk=world["pending"]).items.get().target_name == TURNED  # stored as Tradovate has it
    assert Account.objects.get(tradovate_id=101).name == TURNED


def test_what_is_marked() -> None:
    assert marked(TURNED) == "KTR[U+202E]321[U+2066]-[U+200B]9"
    assert marked("Łódź 50K\nline") == "Łódź 50K\nline"
    assert isolated("50K") == "50K"
    assert isolated("אב 12") == "\u2068אב 12\u2069"


@pytest.mark.parametrize("text", ["", " \n", "\u200b", "\u2060 \ufeff", "\u3164", "\u2800\u00ad", "\u202e\u202c", "\ufe0f"])
def test_a_text_of_invisible_characters_is_empty(text: str) -> None:
    assert is_empty(text)
    for field in (LinesField(), VisibleTextField(), NoteForm.base_fields["text"]):
        with pytest.raises(forms.ValidationError, match="required"):
            field.clean(text)


def test_a_reason_of_invisible_characters_is_refused_and_nothing_is_requested(client: Client, world: dict[str, int]) -> None:
    client.force_login(Staff.objects.get(username="support"))
    before = (Change.objects.count(), Event.objects.count())
    address = reverse("changes:new", args=["lock"])
    digest = client.get(f"{address}?account=demo:102").context["plan"].digest
    fields = {"account": "demo:102", "digest": digest, "form_key": str(uuid4()), "reason_code": "Other"}
    answer = client.post(address, {**fields, "reason_text": "\u200b\u3164"})
    assert answer.status_code == 422
    assert "Say why: with the reason Other, Tradovate asks for it in words." in answer.content.decode()
    assert (Change.objects.count(), Event.objects.count()) == before
