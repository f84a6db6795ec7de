"""Each tag declares its fields and its sentence: events with other fields are refused, and pages show every field by its label."""

import ast
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from riskadmin.audit.actions import AuditEntry
from riskadmin.audit.declarations import DECLARATIONS, WrongFields
from riskadmin.audit.field_labels import FIELD_LABELS
from riskadmin.audit.models import Event
from riskadmin.audit.origin import SYSTEM, Origin
from riskadmin.audit.rendering import DERIVED, EventLine
from riskadmin.audit.tags import Tag
from riskadmin.audit.wording import state_words
from riskadmin.staff.roles import Role
from riskadmin.web.templatetags.face import TONE_ICONS
from tests.audit.events import LOCKED, SAM, sample, write
from tests.staff.people import make_person

PROJECT = Path(__file__).resolve().parents[2]
PLACEHOLDER = re.compile(r"\{(\w+)\}")


def test_every_tag_is_declared() -> None:
    assert set(DECLARATIONS) == set(Tag)


def test_a_sentence_uses_only_words_that_there_are() -> None:
    for tag, declared in DECLARATIONS.items():
        assert set(PLACEHOLDER.findall(declared.sentence)) <= {"actor", *DERIVED, *declared.fields}, tag
        assert set(PLACEHOLDER.findall(declared.state)) <= {"outcome"} & set(declared.fields), tag
        assert len(set(declared.fields)) == len(declared.fields), tag
        assert declared.tone in TONE_ICONS, tag
        for outcome in ("applied", "cancelled") if "{" in declared.state else ("",):
            assert not declared.state or state_words(declared.state.replace("{outcome}", outcome)) is not None, tag


def test_every_field_has_one_label() -> None:
    declared = {name for declaration in DECLARATIONS.values() for name in declaration.fields}
    assert set(FIELD_LABELS) == declared
    assert len(set(FIELD_LABELS.values())) == len(FIELD_LABELS)


def test_every_word_of_sentences_is_used() -> None:
    used = {name for declaration in DECLARATIONS.values() for name in PLACEHOLDER.findall(declaration.sentence)}
    assert set(DERIVED) <= used


def test_an_event_with_other_fields_is_refused(subtests: pytest.Subtests) -> None:
    for tag in Tag:
        given = sample(tag)
        with subtests.test(tag.value):
            for declared in (given, {name: given[name] for name in DECLARATIONS[tag].required}):
                assert AuditEntry(tag=tag, actor=SYSTEM, origin=Origin(), detail=declared).detail == declared
            for name in DECLARATIONS[tag].required:
                without = {key: value for key, value in given.items() if key != name}
                with pytest.raises(WrongFields, match=f"missing fields \\['{name}'\\]"):
                    AuditEntry(tag=tag, actor=SYSTEM, origin=Origin(), detail=without)
            with pytest.raises(WrongFields, match=r"unknown fields \['colour'\]"):
                AuditEntry(tag=tag, actor=SYSTEM, origin=Origin(), detail={**given, "colour": "red"})


@pytest.mark.django_db
def test_a_refused_event_writes_nothing() -> None:
    with pytest.raises(WrongFields):
        write(Tag.CHANGE_PAUSED, detail={"kind": "lock", "colour": "red"})
    assert not Event.objects.exists()


def pages(client: Client, address: str) -> Iterator[str]:
    """Yield a list's pages."""
    cursor = ""
    while cursor is not None:
        page = client.get(address, {"cursor": cursor})
        yield page.content.decode()
        cursor = page.context["page"].next_cursor


@pytest.mark.django_db
def test_an_event_of_every_tag_is_a_sentence_and_names_its_fields(subtests: pytest.Subtests, client: Client) -> None:
    client.force_login(make_person(Role.COMPLIANCE))
    events, listed, tags = {}, "", list(Tag)
    for start in range(0, len(tags), 50):  # fewer than a page of the list
        for tag in tags[start : start + 50]:
            events[tag] = write(tag, subject=LOCKED, change_id=5, item_id=6, call_id=7, detail=sample(tag))
        listed += client.get(reverse("audit:list"), {"every": "on"}).content.decode()
    for tag, event in events.items():
        with subtests.test(tag.value):
            line = EventLine(event)
            assert not set("{}[]") & set(line.sentence)
            assert line.actor == ("Outside riskadmin" if line.is_outside else SAM.name)
            page = client.get(reverse("audit:event", args=[event.pk])).content.decode()
            assert escape(line.sentence) in page
            assert escape(line.sentence) in listed
            assert [detail.label for detail in line.details] == [FIELD_LABELS[name] for name in DECLARATIONS[tag].fields]
            for detail in line.details:
                assert detail.is_declared
                assert escape(detail.label) in page
                assert detail.words
                assert escape(detail.words) in page


@pytest.mark.django_db
def test_a_stored_row_that_no_version_declares_is_still_shown(client: Client) -> None:
    client.force_login(make_person(Role.COMPLIANCE))
    odd = {"wait_s": ["x", None], "<b>": {"a": 1}, "text": 7}
    retired = Event.objects.create(tag="item:call:teleported", account_id=101, environment="demo", change_id=5, detail=odd)
    changed = Event.objects.create(tag=Tag.ITEM_DEFERRED, account_id=101, environment="demo", change_id=5, detail=odd)
    shapeless = Event.objects.create(tag=Tag.ITEM_SENT, account_id=101, environment="demo", change_id=5, detail=[1, "two"])
    for event, shown in (
        (retired, 'riskadmin did something that this version has no words for (<b>: {"a": 1}; text: 7; wait_s: ["x", null])'),
        (changed, 'The call for account 101 is delayed: 7 (<b>: {"a": 1})'),
        (shapeless, 'Tradovate answered a call for account 101 (detail: [1, "two"])'),
    ):
        for address in (
            reverse("audit:event", args=[event.pk]),
            reverse("audit:list") + "?every=on",
            reverse("audit:account_history", args=["demo", 101]),
            reverse("audit:change_history", args=[5]),
        ):
            response = client.get(address)
            assert response.status_code == 200
            assert escape(shown) in response.content.decode().replace("&#x27;", "'"), address
    stored = [Event.objects.get(pk=event.pk).detail for event in (retired, changed, shapeless)]
    assert stored == [odd, odd, [1, "two"]]


# --- The product's own calls --------------------------------------------------------------------------------------------


def product() -> Iterator[tuple[Path, ast.Module]]:
    for folder in ("accounts", "riskadmin"):
        for path in sorted((PROJECT / folder).rglob("*.py")):
            if "migrations" not in path.parts and path.name not in {"declarations.py", "rendering.py"}:
                yield path, ast.parse(path.read_text(encoding="utf-8"))


def named_tags(node: ast.AST) -> set[Tag]:
    return {
        Tag[each.attr]
        for each in ast.walk(node)
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id == "Tag"
    }


def literal_fields(call: ast.Call) -> Iterator[set[str]]:
    """Return the names of the fields that a call writes out in its `detail`."""
    for keyword in call.keywords:
        if keyword.arg == "detail" and isinstance(keyword.value, ast.Dict):
            yield {str(key.value) for key in keyword.value.keys if isinstance(key, ast.Constant)}


def test_every_tag_is_written_by_the_product() -> None:
    """A tag that is no longer written goes into an exception here, with the reason: its old rows keep their words."""
    written = {tag for _, tree in product() for tag in named_tags(tree)}
    assert written == set(Tag)


def test_every_call_that_names_fields_names_declared_ones() -> None:
    wrong, checked = [], set()
    for path, tree in product():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            tags = named_tags(ast.Module(body=[ast.Expr(part) for part in _tag_arguments(call)], type_ignores=[]))
            for names in literal_fields(call):
                checked |= tags
                wrong += [(path.name, call.lineno, tag.name) for tag in tags if not names <= set(DECLARATIONS[tag].fields)]
    assert wrong == []
    assert len(checked) > 12


def _tag_arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "tag")]


def test_the_sample_has_a_value_for_every_field() -> None:
    values: dict[str, Any] = {name: value for tag in Tag for name, value in sample(tag).items()}
    assert set(values) == set(FIELD_LABELS)
