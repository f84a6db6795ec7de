"""Every event can be read: each tag has words and a formatter, and old or odd rows don't break the page."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.changes.kinds.limit_fields import LIMIT_FIELDS
from accounts.models.pre_trade import POSITION_LIMIT_FIELDS, RISK_PARAMETER_FIELDS, SCOPE
from riskadmin.audit.forms import SUBJECT_WORDS, subject_of
from riskadmin.audit.models import Event
from riskadmin.audit.rendering import FORMATTERS, OUTCOME_TONES, TONES, Line
from riskadmin.audit.tags import Tag
from riskadmin.audit.wording import ADMIN_ACTION_WORDS, REASON_WORDS, field_words, reason_words, value_words
from riskadmin.tradovate.vocabulary import AdminAction, ReasonCode
from riskadmin.web.templatetags.face import TONE_ICONS

SHAPES: list[Any] = [None, "", "text", 0, 3.5, True, [], ["x"], {}, {"a": {"b": None}}]


def line(tag: str, **columns: Any) -> Line:
    return Line(Event(tag=tag, occurred_at=datetime(2026, 11, 21, 14, 3, 5, tzinfo=UTC), **columns))


def test_every_tag_has_a_formatter_and_a_subject_in_words() -> None:
    assert set(FORMATTERS) == set(Tag)
    assert {subject_of(tag) for tag in Tag} == set(SUBJECT_WORDS)
    assert set(TONES) <= set(Tag)
    assert set(TONES.values()) | set(OUTCOME_TONES.values()) <= set(TONE_ICONS)


def test_every_word_of_tradovate_has_words() -> None:
    assert set(REASON_WORDS) == set(ReasonCode)
    assert set(ADMIN_ACTION_WORDS) == set(AdminAction)


@pytest.mark.parametrize("tag", list(Tag))
@pytest.mark.parametrize(
    "detail", [{}, None, [], "text", {"counts": 3, "items": None, "until": "soon", "locked_until": "0000"}]
)
def test_rows_without_what_is_asked_for_can_be_read(tag: Tag, detail: Any) -> None:
    shown = line(tag, detail=detail, before=detail, after=detail)
    assert shown.title == tag.label
    assert isinstance(shown.summary, str)
    assert shown.changes == []


KEYS = st.sampled_from(
    [
        "username",
        "active",
        "locked_until",
        "name",
        "roles",
        "kind",
        "items",
        "skipped",
        "comment",
        "verdict",
        "text",
        "why",
        "reason",
        "counts",
        "attempt",
        "status",
        "elapsed_ms",
        "wait_s",
        "outcome",
        "endpoint",
        "until",
        "admin_action",
        "priority",
    ]
)


@given(
    tag=st.sampled_from(Tag),
    detail=st.dictionaries(KEYS, st.sampled_from(SHAPES)),
    before=st.none() | st.dictionaries(KEYS, st.sampled_from(SHAPES)),
    after=st.none() | st.dictionaries(KEYS, st.sampled_from(SHAPES)),
)
def test_rows_of_any_shape_can_be_read(tag: Tag, detail: Any, before: Any, after: Any) -> None:
    shown = line(tag, detail=detail, before=before, after=after)
    assert isinstance(shown.summary, str)
    assert {field.label for field in shown.fields} >= {field.label for field in shown.changes}


@pytest.mark.parametrize(
    ("outcome", "title", "tone"),
    [
        ("applied", "Applied", "ok"),
        ("unchanged", "Unchanged", "neutral"),
        ("rejected", "Rejected", "danger"),
        ("unknown", "Unknown", "warn"),
        ("", "Outcome settled", "neutral"),
    ],
)
def test_an_end_is_called_by_its_outcome(outcome: str, title: str, tone: str) -> None:
    shown = line(Tag.ITEM_SETTLED, detail={"outcome": outcome})
    assert (shown.title, shown.tone) == (title, tone)


def test_a_tag_of_a_later_version_is_shown_as_it_is() -> None:
    shown = line("item:call:teleported", detail={"x": 1})
    assert (shown.title, shown.summary, shown.tone) == ("item:call:teleported", "", "neutral")


@pytest.mark.parametrize(
    ("tag", "columns", "summary"),
    [
        (Tag.STAFF_SIGNED_IN, {"detail": {"username": "sam"}}, ""),
        (Tag.STAFF_SIGN_IN_REFUSED, {"detail": {"username": "sam", "active": True}}, "for sam"),
        (Tag.STAFF_SIGN_IN_REFUSED, {"detail": {"username": "sam", "active": False}}, "for sam, who is switched off"),
        (
            Tag.STAFF_SIGN_IN_REFUSED,
            {"detail": {"locked_until": "2026-11-21T14:18:05+00:00"}},
            "for a username that nobody has; further tries refused until 2026-11-21 08:18:05",
        ),
        (
            Tag.STAFF_CREATED,
            {"after": {"username": "sam", "name": "Sam S", "roles": ["support", "compliance"]}},
            "Sam S, sam as support, compliance",
        ),
        (Tag.STAFF_PASSWORD_SET, {"detail": {"username": "sam"}}, "for sam"),
        (Tag.ACCOUNT_NOTED, {"detail": {"note": 7, "text": "Called at noon"}}, "“Called at noon”"),
        (Tag.CHANGE_SUBMITTED, {"detail": {"kind": "lock", "items": 1, "digest": "x"}}, "Lock, 1 account"),
        (
            Tag.CHANGE_SUBMITTED,
            {"detail": {"kind": "liquidate_only", "items": 3, "skipped": "archived"}},
            "Liquidate only, 3 accounts; this one skipped: archived",
        ),
        (Tag.CHANGE_APPROVED, {"detail": {"digest": "x", "comment": "called him", "kind": "unlock"}}, "Unlock: “called him”"),
        (Tag.CHANGE_REJECTED, {"detail": {"comment": ""}}, ""),
        (
            Tag.CHANGE_APPROVED,
            {"detail": {"kind": "unlock", "effects": {"liquidated": 10, "possibly_liquidated": 0}, "comment": "Agreed"}},
            "Unlock, shown that 10 would be liquidated: “Agreed”",
        ),
        (Tag.CHANGE_APPROVED, {"detail": {"kind": "lock", "effects": {"liquidated": "x", "y": 1}}}, "Lock"),
        (Tag.CHANGE_DECISION_REFUSED, {"detail": {"verdict": "approve", "why": "It moved."}}, "approve: It moved."),
        (Tag.CHANGE_FINISHED, {"detail": {"counts": {"applied": 2, "rejected": 1, "unknown": 0}}}, "2 applied, 1 rejected"),
        (Tag.CHANGE_PAUSED, {"detail": {"kind": "lock"}}, "Lock"),
        (Tag.CHANGE_PRIORITY_SET, {"before": {"priority": 0}, "after": {"priority": 10}}, "before others"),
        (Tag.CHANGE_PRIORITY_SET, {"after": {"priority": 7}}, "7"),
        (
            Tag.TEMPLATE_PROPOSED,
            {"detail": {"template": "50K evaluation", "number": 2, "comment": "As agreed", "digest": "x"}},
            "50K evaluation, version 2: “As agreed”",
        ),
        (Tag.TEMPLATE_IN_FORCE, {"detail": {"template": "50K evaluation", "number": 2}}, "50K evaluation, version 2"),
        (
            Tag.TEMPLATE_DECISION_REFUSED,
            {"detail": {"template": "50K evaluation", "number": 2, "verdict": "approve", "why": "You proposed it."}},
            "50K evaluation, version 2; approve: You proposed it.",
        ),
        (
            Tag.TEMPLATE_ASSIGNED,
            {"detail": {"template": "50K evaluation", "to": "Size $50,000.00 on demo"}},
            "50K evaluation for Size $50,000.00 on demo",
        ),
        (Tag.ITEM_RESOLVED, {"detail": {"outcome": "applied", "comment": "Seen"}}, "applied: “Seen”"),
        (Tag.ITEM_READ_AGAIN, {"detail": {"text": "Asked for by Sue"}}, "Asked for by Sue"),
        (Tag.ITEM_CLAIMED, {"call_id": 12, "detail": {"attempt": 1}}, "call 12"),
        (Tag.ITEM_CLAIMED, {"call_id": 13, "detail": {"attempt": 2}}, "call 13, try 2"),
        (Tag.ITEM_SENT, {"detail": {"status": 200, "response": "{}", "elapsed_ms": 12}}, "HTTP 200 after 12 ms"),
        (
            Tag.ITEM_SENT,
            {"detail": {"status": 200, "elapsed_ms": 60, "text": "Tradovate answered: Daily loss is too low"}},
            "HTTP 200 after 60 ms: Daily loss is too low",
        ),
        (
            Tag.ITEM_SENT,
            {"detail": {"status": 422, "elapsed_ms": 60, "text": "Tradovate answered: Too low (HTTP 422)"}},
            "HTTP 422 after 60 ms: Too low",
        ),
        (Tag.ITEM_DEFERRED, {"detail": {"reason": "penalty", "text": "Penalty", "wait_s": 5}}, "Penalty, again in 5 s"),
        (Tag.ITEM_DEFERRED, {"detail": {"text": "captcha", "wait_s": 3600.0}}, "captcha, again in 1 h"),
        (Tag.ITEM_DEFERRED, {"detail": {"text": "Not sent", "wait_s": 0.0}}, "Not sent, again at once"),
        (Tag.ITEM_DEFERRED, {"detail": {"text": "Not sent", "wait_s": float("inf")}}, "Not sent"),
        (Tag.ITEM_DEFERRED, {"detail": {"text": "Not sent", "wait_s": True}}, "Not sent"),
        (Tag.ITEM_SETTLED, {"detail": {"outcome": "rejected", "text": "Access is denied"}}, "Access is denied"),
        (Tag.ITEM_UNKNOWN, {"detail": {"text": "No answer within 15 s"}}, "No answer within 15 s"),
        (
            Tag.OUTSIDE_LIMITS,
            {"detail": {"known_at": "2026-11-21T16:40:12+00:00", "read_at": "2026-11-21T16:43:15+00:00"}},
            "between 2026-11-21 10:40 and 10:43",
        ),
        (Tag.OUTSIDE_LIMITS, {"detail": {"known_at": "2026-11-21T16:40:12+00:00"}}, ""),
        (
            Tag.MIRROR_MISSING_ACCEPTED,
            {"detail": {"environment": "live", "missing": {"accounts": "6 of 10", "traders": "5 of 9"}}},
            "live: 6 of 10 accounts and 5 of 9 traders",
        ),
        (Tag.API_HALTED, {"detail": {"until": "2026-11-21T15:00:00Z", "text": "429"}}, "until 2026-11-21 09:00:00, 429"),
        (
            Tag.API_LIMIT_LOWERED,
            {"detail": {"until": "2026-11-21T15:00:00Z", "text": "to 9"}},
            "until 2026-11-21 09:00:00, to 9",
        ),
    ],
)
def test_the_line_says_what_matters(tag: Tag, columns: dict[str, Any], summary: str) -> None:
    assert line(tag, **columns).summary == summary


def test_who_did_it_is_always_somebody() -> None:
    assert line(Tag.STAFF_SIGNED_IN, staff_id=7, staff_name="Sam", staff_role="support").actor == "Sam"
    assert line(Tag.STAFF_SIGNED_IN, staff_id=7).actor == "Person 7"
    assert line(Tag.ITEM_SENT, job="execution.sweep").actor == "riskadmin"
    assert line(Tag.ITEM_SENT, job="execution.sweep").actor_role == "execution.sweep"
    assert line(Tag.ITEM_SENT).actor == "riskadmin"
    assert line(Tag.STAFF_SIGN_IN_REFUSED, address="192.0.2.1").actor == "Not signed in"


@pytest.mark.parametrize(
    ("tag", "kind", "title"),
    [
        (Tag.OUTSIDE_STATUS, "lock", "Locked outside riskadmin"),
        (Tag.OUTSIDE_STATUS, "closing_only", "Set to closing only outside riskadmin"),
        (Tag.OUTSIDE_STATUS, "of a later version", "Risk action set outside riskadmin"),
        (Tag.OUTSIDE_LIMITS, "trader_limits", "Trader's own limits changed outside riskadmin"),
    ],
)
def test_what_others_did_is_not_called_riskadmins(tag: Tag, kind: str, title: str) -> None:
    shown = line(tag, job="outside changes", detail={"kind": kind}, before={"a": 1}, after={"a": 2})
    assert (shown.title, shown.actor, shown.actor_role, shown.is_intent) == (title, "Outside riskadmin", "", False)


def test_before_and_after_are_in_words() -> None:
    shown = line(
        Tag.ITEM_SETTLED,
        before={"admin_action": "Normal", "same": 1},
        after={"admin_action": "LockTradingImmediately", "same": 1},
        detail={"outcome": "applied"},
    )
    assert [(field.label, field.before, field.after) for field in shown.changes] == [
        ("Risk action", "Normal", "Locked (no orders)")
    ]
    assert len(shown.fields) == 2


def test_a_limit_is_called_as_on_its_form() -> None:
    shown = line(
        Tag.OUTSIDE_LIMITS,
        before={"daily_loss_auto_liq_usd": "1000.00", "do_not_unlock": None},
        after={"daily_loss_auto_liq_usd": "777.00", "do_not_unlock": True},
    )
    assert [(field.label, field.before, field.after) for field in shown.changes] == [
        ("Daily loss: auto-liquidation", "$1,000.00", "$777.00"),
        ("Stays locked once a limit has acted", "", "Yes"),
    ]


def test_every_limit_has_the_words_of_its_form() -> None:
    for limit in LIMIT_FIELDS.values():
        assert field_words(limit.name) == limit.label
    for field in (*POSITION_LIMIT_FIELDS, *RISK_PARAMETER_FIELDS, *SCOPE):
        assert field_words(field.name) == field.label


@pytest.mark.parametrize("name", LIMIT_FIELDS)
@pytest.mark.parametrize("value", [*SHAPES, "1000.00", "soon", "2026-11-21", [{"step": 1}], "NaN"])
def test_a_limit_of_any_shape_can_be_read(name: str, value: Any) -> None:
    (field,) = line(Tag.OUTSIDE_LIMITS, before={name: value}).fields
    assert isinstance(field.before, str)


CATEGORY_MEANT = {"was": "Sim Funded", "category": "Trading Halted", "category_id": 6}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ({"category_id": 5}, CATEGORY_MEANT, [("Risk category", "Sim Funded", "Trading Halted")]),
        ({"category_id": 5}, {"category_id": 6}, [("Risk category", "number 5", "number 6")]),  # an old row
        ({"category_id": None}, {**CATEGORY_MEANT, "was": ""}, [("Risk category", "", "Trading Halted")]),
        ({"category": "C7"}, {"category": "C9"}, [("Risk category", "C7", "C9")]),
        ({"category_id": 5, "x": 1}, None, [("Risk category", "number 5", ""), ("X", "1", "")]),
    ],
)
@pytest.mark.parametrize("tag", [Tag.CHANGE_SUBMITTED, Tag.ITEM_SETTLED])
def test_a_category_is_one_field_and_called_by_its_name(tag: Tag, before: Any, after: Any, said: Any) -> None:
    shown = line(tag, before=before, after=after, detail={"outcome": "applied"})
    assert [(field.label, field.before, field.after) for field in shown.fields] == said


@pytest.mark.parametrize(
    ("tag", "detail", "is_intent"),
    [
        (Tag.CHANGE_SUBMITTED, {}, True),
        (Tag.ITEM_CLAIMED, {}, True),
        (Tag.ITEM_UNKNOWN, {}, True),
        (Tag.ITEM_SETTLED, {"outcome": "rejected"}, True),
        (Tag.ITEM_SETTLED, {}, True),
        (Tag.ITEM_RESOLVED, {"outcome": "applied"}, True),
        (Tag.ITEM_SETTLED, {"outcome": "applied"}, False),
        (Tag.ITEM_SETTLED, {"outcome": "unchanged"}, False),
        (Tag.STAFF_CREATED, {}, False),
    ],
)
def test_what_was_only_meant_is_not_shown_as_done(tag: Tag, detail: dict[str, str], is_intent: bool) -> None:  # noqa: FBT001  (a case's)
    assert line(tag, detail=detail).is_intent is is_intent


def test_unknown_words_are_shown_as_they_are() -> None:
    assert reason_words("BrandNew") == "BrandNew"
    assert value_words("admin_action", "BrandNew") == "BrandNew"
    assert value_words("max_usd", True) == "yes"
    assert value_words("stepped", {"level_usd": None}) == "Level usd: —"
