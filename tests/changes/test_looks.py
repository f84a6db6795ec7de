"""A state or an outcome has one word, one colour and one icon: on the change, on the item, in the trail, in files and lists."""

import csv
import re
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db.models import TextChoices

from accounts.approvals.models import ApprovalRequest
from accounts.approvals.states import POLICY_LOOK, REQUEST_LOOK, VERDICT_LOOK, PolicyState, RequestState, Verdict
from accounts.approvals.templatetags.approvals import request_state
from accounts.changes.kinds import KINDS
from accounts.changes.models import Change, Item
from accounts.changes.queries import Progress, Tally
from accounts.changes.states import CHANGE_LOOK, HALF_DONE_LOOK, ITEM_LOOK, ChangeState, ItemState
from accounts.changes.templatetags.changes import change_state, item_icon, item_state, tally_bar, verdict
from accounts.changes.tracking.results import HEADINGS, lines
from accounts.execution.models import CALL_LOOK, CallState
from accounts.execution.resolving import Resolution
from accounts.execution.templatetags.execution import call_state, last_reading
from accounts.execution.unknown_item import SHOWN_LOOK, Shown
from accounts.limit_templates.states import VERSION_LOOK, VersionState
from accounts.limit_templates.templatetags.limit_templates import version_state
from riskadmin.audit.declarations import DECLARATIONS
from riskadmin.audit.models import Event
from riskadmin.audit.proof.models import EXPORT_LOOK, ExportState
from riskadmin.audit.rendering import EventLine
from riskadmin.audit.tags import Tag
from riskadmin.audit.wording import state_words
from riskadmin.web.icons import icon_names
from riskadmin.web.looks import Look
from riskadmin.web.templatetags.face import TONE_ICONS, icon

PROJECT = Path(__file__).resolve().parents[2]

TABLES: list[tuple[type[TextChoices], dict[Any, Look]]] = [
    (ChangeState, dict(CHANGE_LOOK)),
    (ItemState, dict(ITEM_LOOK)),
    (RequestState, dict(REQUEST_LOOK)),
    (Verdict, dict(VERDICT_LOOK)),
    (VersionState, dict(VERSION_LOOK)),
    (PolicyState, dict(POLICY_LOOK)),
    (CallState, dict(CALL_LOOK)),
    (Shown, dict(SHOWN_LOOK)),
    (ExportState, dict(EXPORT_LOOK)),
]
DRAWN: list[tuple[str, Any, type[TextChoices], Any]] = [
    ("change", change_state, ChangeState, CHANGE_LOOK),
    ("item", item_state, ItemState, ITEM_LOOK),
    ("request", request_state, RequestState, REQUEST_LOOK),
    ("verdict", verdict, Verdict, VERDICT_LOOK),
    ("template", version_state, VersionState, VERSION_LOOK),
]
REPORTED: dict[Tag, ChangeState | ItemState | PolicyState | VersionState | Verdict] = {
    Tag.CHANGE_APPROVED: Verdict.APPROVE,
    Tag.CHANGE_REJECTED: Verdict.REJECT,
    Tag.CHANGE_CANCELLED: ChangeState.CANCELLED,
    Tag.CHANGE_EXPIRED: ChangeState.EXPIRED,
    Tag.CHANGE_PAUSED: ChangeState.PAUSED,
    Tag.CHANGE_ALTERED: ChangeState.PAUSED,
    Tag.CHANGE_STOPPED: ChangeState.STOPPING,
    Tag.CHANGE_FINISHED: ChangeState.FINISHED,
    Tag.TEMPLATE_APPROVED: Verdict.APPROVE,
    Tag.TEMPLATE_REJECTED: Verdict.REJECT,
    Tag.TEMPLATE_IN_FORCE: VersionState.IN_FORCE,
    Tag.TEMPLATE_WITHDRAWN: VersionState.WITHDRAWN,
    Tag.CHANGE_EDITS_REQUESTED: Verdict.REQUEST_EDITS,
    Tag.TEMPLATE_EDITS_REQUESTED: Verdict.REQUEST_EDITS,
    Tag.POLICY_APPROVED: Verdict.APPROVE,
    Tag.POLICY_REJECTED: Verdict.REJECT,
    Tag.POLICY_EDITS_REQUESTED: Verdict.REQUEST_EDITS,
    Tag.POLICY_IN_FORCE: PolicyState.IN_FORCE,
    Tag.POLICY_WITHDRAWN: PolicyState.WITHDRAWN,
    Tag.ITEM_UNKNOWN: ItemState.UNKNOWN,
    Tag.ITEM_EXCLUDED: ItemState.SKIPPED,
}


@pytest.mark.parametrize(("states", "looks"), TABLES)
def test_every_state_has_a_look_that_pages_can_draw(states: type[TextChoices], looks: dict[StrEnum, Look]) -> None:
    assert list(looks) == list(states)
    for look in (*looks.values(), HALF_DONE_LOOK):
        assert look.tone in TONE_ICONS
        assert look.icon in icon_names()
        assert re.fullmatch(r"[A-Z].{8,80}\.", look.explanation)


@pytest.mark.parametrize(("name", "draw", "states", "looks"), DRAWN)
def test_the_trail_has_the_words_and_the_look_of_the_page(
    name: str, draw: Any, states: type[TextChoices], looks: dict[Any, Look]
) -> None:
    for state in states:
        words = state_words(f"{name}:{state.value}")
        assert words is not None
        assert (words.label, words.look) == (state.label, looks[state])
        assert draw(state.value) == (
            f'<span class="state tone-{words.look.tone}" title="{words.look.explanation}">'
            f"{icon(words.look.icon)}{words.label}</span>"
        )


@pytest.mark.parametrize("outcome", list(ItemState))
@pytest.mark.parametrize("tag", [Tag.ITEM_SETTLED, Tag.ITEM_RESOLVED])
def test_an_outcome_in_the_trail_looks_like_the_item(tag: Tag, outcome: ItemState) -> None:
    line = EventLine(Event(tag=tag, detail={"outcome": outcome.value}))
    look = ITEM_LOOK[outcome]
    assert (line.tone, line.icon) == (look.tone, look.icon)
    assert line.title == (outcome.label if tag == Tag.ITEM_SETTLED else Tag.ITEM_RESOLVED.label)
    assert f"is {outcome.label.lower()}" in line.sentence


@pytest.mark.parametrize(("tag", "state"), REPORTED.items())
def test_an_event_that_reports_a_state_looks_like_it(tag: Tag, state: Any) -> None:
    looks: dict[Any, Look] = {**CHANGE_LOOK, **ITEM_LOOK, **POLICY_LOOK}
    look = VERDICT_LOOK[state] if isinstance(state, Verdict) else VERSION_LOOK.get(state) or looks[state]
    line = EventLine(Event(tag=tag))
    assert (line.tone, line.icon, line.is_plain) == (look.tone, look.icon, False)


def test_every_event_that_reports_a_state_is_compared() -> None:
    declared = {tag for tag, declaration in DECLARATIONS.items() if declaration.state}
    assert declared == {*REPORTED, Tag.ITEM_SETTLED, Tag.ITEM_RESOLVED}


def test_counts_in_the_trail_have_the_words_of_the_page() -> None:
    counts = {state.value: 2 for state in ItemState}
    line = EventLine(Event(tag=Tag.CHANGE_FINISHED, change_id=5, detail={"counts": counts}))
    assert line.sentence.endswith(": " + ", ".join(f"2 {state.label.lower()}" for state in ItemState))


def test_the_file_of_outcomes_has_the_words_of_the_page() -> None:
    change = Change(pk=5, kind="lock", environment="demo", submitted_at=datetime(2026, 11, 21, 14, 3, tzinfo=UTC))
    change.approval = ApprovalRequest()
    items = [Item(pk=1, change=change, target="demo:account:101", state=state.value, position=1) for state in ItemState]
    _, *rows = csv.DictReader(lines(change, items), fieldnames=HEADINGS)
    assert [row["outcome"] for row in rows] == [state.label for state in ItemState]


def test_the_bar_of_a_change_has_the_colours_of_its_items() -> None:
    by_state = {state: Tally(count=1) for state in ItemState}
    bar = tally_bar(Progress(change=Change(pk=5), kind=KINDS["lock"], tallies=by_state, approvals=[]))
    assert re.findall(r'class="tone-(\w+)"', bar) == [ITEM_LOOK[state].tone for state in ItemState]


def test_calls_and_readings_are_drawn_from_their_tables() -> None:
    for call in CallState:
        assert f"tone-{CALL_LOOK[call].tone}" in call_state(call.value)
        assert call_state(call.value).endswith(f"{call.label}</span>")
    for shown in Shown:
        assert f"tone-{SHOWN_LOOK[shown].tone}" in last_reading(shown)
        assert last_reading(shown).endswith(f"{shown.label}</span>")


def test_a_button_that_gives_an_outcome_has_its_icon() -> None:
    for resolution in (Resolution.APPLIED, Resolution.CANCELLED):
        assert item_icon(resolution.value) == icon(ITEM_LOOK[ItemState(resolution.value)].icon)
    (entry,) = (entry for entry in settings.NAVIGATION if entry[1] == "execution:unresolved")
    assert entry[2] == ITEM_LOOK[ItemState.UNKNOWN].icon


def test_no_template_chooses_the_look_of_a_state() -> None:
    """A page draws an outcome or a verdict with the tag of its table, never with a word and a tone of its own."""
    # What a reading shows is left out: accounts have an "Unreadable" of their own.
    labels = {state.label for states, _ in TABLES if states is not Shown for state in states}
    own = re.compile(r"{%\s*state\s+\"([^\"]*)\"")
    by_state = re.compile(r"{%\s*state\s+[\w.]*get_(?:state|verdict)_display")
    found = [
        (path.name, word)
        for path in sorted((PROJECT / "templates").rglob("*.html"))
        for word in (*own.findall(path.read_text()), *by_state.findall(path.read_text()))
        if word in labels or "_display" in word
    ]
    assert found == []
