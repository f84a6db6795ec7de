"""Every event can be read: each tag has a sentence, and old or odd rows don't break the page."""

from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.models.auto_liq_fields import AUTO_LIQ_FIELDS
from accounts.models.pre_trade import POSITION_LIMIT_FIELDS, RISK_PARAMETER_FIELDS, SCOPE
from riskadmin.audit.filters import SUBJECT_WORDS, subject_of
from riskadmin.audit.models import Event
from riskadmin.audit.rendering import MISSING, EventLine
from riskadmin.audit.tags import Tag
from riskadmin.audit.wording import ADMIN_ACTION_WORDS, REASON_WORDS, field_words, reason_words, value_words
from riskadmin.tradovate.vocabulary import AdminAction, ReasonCode

SHAPES: list[Any] = [None, "", "text", 0, 3.5, True, [], ["x"], {}, {"a": {"b": None}}]


def line(tag: str, **columns: Any) -> EventLine:
    return EventLine(Event(tag=tag, occurred_at=datetime(2026, 11, 21, 14, 3, 5, tzinfo=UTC), **columns))


def test_every_tag_has_a_subject_in_words() -> None:
    assert {subject_of(tag) for tag in Tag} == set(SUBJECT_WORDS)


def test_every_word_of_tradovate_has_words() -> None:
    assert set(REASON_WORDS) == set(ReasonCode)
    assert set(ADMIN_ACTION_WORDS) == set(AdminAction)


def test_rows_without_what_is_requested_can_be_read() -> None:
    odd = {"counts": 3, "items": None, "until": "soon", "locked_until": "0000"}
    details: list[Any] = [{}, None, [], "text", odd]
    for tag, detail in product(Tag, details):
        shown = line(tag, detail=detail, before=detail, after=detail)
        assert shown.title == tag.label, (tag, detail)
        assert not set("{}[]") & set(shown.sentence.partition(" (")[0]), (tag, detail)
        assert shown.changes == [], (tag, detail)


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
    assert shown.sentence
    assert len(shown.details) == len(detail)
    assert {field.label for field in shown.fields} >= {field.label for field in shown.changes}


@pytest.mark.parametrize(
    ("outcome", "title", "tone"),
    [
        ("applied", "Applied", "ok"),
        ("unchanged", "Unchanged", "neutral"),
        ("rejected", "Rejected", "danger"),
        ("unknown", "Unknown", "danger"),
        ("", "Outcome settled", "neutral"),
    ],
)
def test_an_end_is_called_by_its_outcome(outcome: str, title: str, tone: str) -> None:
    shown = line(Tag.ITEM_SETTLED, detail={"outcome": outcome})
    assert (shown.title, shown.tone) == (title, tone)


def test_a_tag_of_a_later_version_is_shown_as_it_is() -> None:
    shown = line("item:call:teleported", detail={"x": 1, "y": {"z": [None]}}, staff_id=7, staff_name="Sam")
    assert (shown.title, shown.tone, shown.is_plain) == ("item:call:teleported", "neutral", True)
    assert shown.sentence == 'Sam did something that this version has no words for (x: 1; y: {"z": [null]})'
    assert [(detail.label, detail.words, detail.is_declared) for detail in shown.details] == [
        ("x", "1", False),
        ("y", '{"z": [null]}', False),
    ]


def test_a_field_of_an_earlier_time_is_shown_as_it_was_stored() -> None:
    shown = line(Tag.CHANGE_CANCELLED, change_id=5, staff_id=7, staff_name="Sam", detail={"was": "pending", "by_form": True})
    assert shown.sentence == "Sam cancelled change 5 (was: pending; by_form: true)"


def test_what_an_old_row_does_not_have_is_called_missing() -> None:
    assert line(Tag.CHANGE_PRIORITY_SET).sentence == f"riskadmin set the priority of a change to {MISSING}"
    assert line(Tag.ITEM_SENT).sentence == "Tradovate answered a call for an item"


SAM = {"staff_id": 7, "staff_name": "Sam"}
ACCOUNT = {"account_id": 101, "account_name": "EVAL-101"}


@pytest.mark.parametrize(
    ("tag", "columns", "sentence"),
    [
        (Tag.STAFF_SIGNED_IN, {**SAM, "detail": {"username": "sam"}}, "Sam signed in as sam"),
        (
            Tag.STAFF_SIGN_IN_REFUSED,
            {"detail": {"username": "sam", "active": True}},
            "A sign-in was refused for sam",
        ),
        (
            Tag.STAFF_SIGN_IN_REFUSED,
            {"detail": {"username": "sam", "active": False}},
            "A sign-in was refused for sam, who is switched off",
        ),
        (
            Tag.STAFF_SIGN_IN_REFUSED,
            {"detail": {"locked_until": "2026-11-21T14:18:05+00:00"}},
            "A sign-in was refused for an unknown username; further attempts are refused until 2026-11-21 08:18:05",
        ),
        (
            Tag.STAFF_CREATED,
            {**SAM, "after": {"username": "sue", "name": "Sue S", "roles": ["support", "compliance"]}},
            "Sam added Sue S (sue) as support, compliance",
        ),
        (Tag.STAFF_PASSWORD_SET, {**SAM, "detail": {"username": "sue"}}, "Sam set the password of sue"),
        (
            Tag.ACCOUNT_NOTED,
            {**SAM, **ACCOUNT, "detail": {"note": 7, "text": "Called at noon"}},
            "Sam wrote a note about EVAL-101: “Called at noon”",
        ),
        (
            Tag.CHANGE_SUBMITTED,
            {**SAM, "change_id": 5, "detail": {"kind": "lock", "items": 1, "digest": "x", "skipped": ""}},
            "Sam requested change 5: Lock, 1 item",
        ),
        (
            Tag.CHANGE_SUBMITTED,
            {**SAM, **ACCOUNT, "change_id": 5, "detail": {"kind": "liquidate_only", "items": 3000, "skipped": "archived"}},
            "Sam requested change 5: Liquidate only, 3,000 items; skipped for EVAL-101: archived",
        ),
        (
            Tag.CHANGE_ROWS_LEFT_OUT,
            {**SAM, "change_id": 5, "detail": {"rows": 2, "source": "CSV limits.csv"}},
            "Sam left 2 rows of CSV limits.csv out of change 5",
        ),
        (
            Tag.CHANGE_APPROVED,
            {**SAM, "change_id": 5, "detail": {"digest": "x", "comment": "called him", "kind": "unlock"}},
            "Sam approved change 5 (Unlock): “called him”",
        ),
        (Tag.CHANGE_REJECTED, {**SAM, "detail": {"comment": ""}}, "Sam rejected a change"),
        (
            Tag.CHANGE_APPROVED,
            {**SAM, "detail": {"kind": "unlock", "effects": {"liquidated": 10, "possibly_liquidated": 0}, "comment": "Agreed"}},
            "Sam approved a change (Unlock), shown that 10 would be liquidated: “Agreed”",
        ),
        (
            Tag.CHANGE_APPROVED,
            {**SAM, "detail": {"kind": "lock", "effects": {"liquidated": "x", "y": 1}}},
            "Sam approved a change (Lock)",
        ),
        (
            Tag.CHANGE_DECISION_REFUSED,
            {**SAM, "change_id": 5, "detail": {"verdict": "approve", "why": "It moved."}},
            "Sam tried to approve change 5, and that was refused: It moved.",
        ),
        (
            Tag.CHANGE_STARTED,
            {"change_id": 5, "detail": {"kind": "lock", "items": 2, "set_aside": 1}},
            "riskadmin started change 5 (Lock): 2 items, 1 skipped",
        ),
        (
            Tag.CHANGE_STARTED,
            {"change_id": 5, "detail": {"kind": "lock", "items": 2, "set_aside": 0}},
            "riskadmin started change 5 (Lock): 2 items",
        ),
        (
            Tag.CHANGE_NOT_CARRIED_ON,
            {"change_id": 5, "detail": {"kind": "unlock", "items": 1, "text": "Sam, who requested it, can no longer sign in"}},
            "What was skipped when change 5 started is not requested again: Sam, who requested it, can no longer sign in; 1 item",
        ),
        (
            Tag.CHANGE_WINDOW_CLOSED,
            {"change_id": 5, "detail": {"kind": "lock", "until": "2026-11-21T15:00:00Z"}},
            "The window of change 5 closed: it continues at 2026-11-21 09:00:00",
        ),
        (
            Tag.CHANGE_WINDOW_CLOSED,
            {"change_id": 5, "detail": {"kind": "lock"}},
            "The window of change 5 closed: what was not sent is cancelled",
        ),
        (
            Tag.CHANGE_FINISHED,
            {"change_id": 5, "detail": {"counts": {"applied": 2, "rejected": 1, "unknown": 0}}},
            "Every item of change 5 has its outcome: 2 applied, 1 rejected",
        ),
        (Tag.CHANGE_PAUSED, {**SAM, "change_id": 5, "detail": {"kind": "lock"}}, "Sam paused change 5 (Lock)"),
        (
            Tag.CHANGE_PRIORITY_SET,
            {**SAM, "change_id": 5, "before": {"priority": 0}, "after": {"priority": 10}},
            "Sam set the priority of change 5 to before others",
        ),
        (Tag.CHANGE_PRIORITY_SET, {**SAM, "after": {"priority": 7}}, "Sam set the priority of a change to 7"),
        (
            Tag.TEMPLATE_PROPOSED,
            {**SAM, "detail": {"template": "50K evaluation", "number": 2, "comment": "As agreed", "digest": "x"}},
            "Sam proposed version 2 of the limit template 50K evaluation: “As agreed”",
        ),
        (
            Tag.TEMPLATE_IN_FORCE,
            {"detail": {"template": "50K evaluation", "number": 2}},
            "The limit template 50K evaluation is now in force in version 2",
        ),
        (
            Tag.TEMPLATE_DECISION_REFUSED,
            {**SAM, "detail": {"template": "50K evaluation", "number": 2, "verdict": "approve", "why": "You proposed it."}},
            "Sam tried to approve version 2 of the limit template 50K evaluation, and that was refused: You proposed it.",
        ),
        (
            Tag.TEMPLATE_ASSIGNED,
            {**SAM, "detail": {"template": "50K evaluation", "to": "Size $50,000.00 on demo"}},
            "Sam assigned the limit template 50K evaluation to: Size $50,000.00 on demo",
        ),
        (
            Tag.ITEM_RESOLVED,
            {**SAM, **ACCOUNT, "detail": {"outcome": "applied", "comment": "Seen"}},
            "Sam decided that the outcome for EVAL-101 is applied: “Seen”",
        ),
        (
            Tag.ITEM_RESENT,
            {**SAM, **ACCOUNT, "detail": {"outcome": "queued", "comment": "Seen", "text": "Sent again by Sam: Seen"}},
            "Sam queued EVAL-101 to be sent again: “Seen”",
        ),
        (
            Tag.ITEM_RESENT,
            {**ACCOUNT, "detail": {"text": "The read-back shows no effect"}},
            "riskadmin queued EVAL-101 to be sent again: The read-back shows no effect",
        ),
        (
            Tag.ITEM_READ_AGAIN,
            {**SAM, "detail": {"text": "2 items. Asked for by Sam", "items": 2}},
            "Sam had 2 items read back again",
        ),
        (
            Tag.ITEM_CLAIMED,
            {**ACCOUNT, "call_id": 12, "detail": {"attempt": 1}},
            "riskadmin started call 12 for EVAL-101",
        ),
        (
            Tag.ITEM_CLAIMED,
            {"account_name": "", "account_id": 101, "call_id": 13, "detail": {"attempt": 2, "step": "Lock"}},
            "riskadmin started call 13 for account 101, step “Lock”, attempt 2",
        ),
        (
            Tag.ITEM_SENT,
            {**ACCOUNT, "call_id": 12, "detail": {"status": 200, "response": "{}", "elapsed_ms": 12}},
            "Tradovate answered call 12 for EVAL-101 (HTTP 200 after 12 ms)",
        ),
        (
            Tag.ITEM_SENT,
            {"call_id": 12, "detail": {"items": 300, "status": 200, "elapsed_ms": 60, "text": "Tradovate answered: Too low"}},
            "Tradovate answered call 12 for 300 items (HTTP 200 after 60 ms): Too low",
        ),
        (
            Tag.ITEM_SENT,
            {**ACCOUNT, "call_id": 12, "detail": {"status": 422, "text": "Tradovate answered: Too low (HTTP 422)"}},
            "Tradovate answered call 12 for EVAL-101 (HTTP 422): Too low",
        ),
        (
            Tag.ITEM_DEFERRED,
            {**ACCOUNT, "detail": {"reason": "penalty", "text": "Penalty", "wait_s": 5}},
            "The call for EVAL-101 is delayed: Penalty, retried in 5 s",
        ),
        (
            Tag.ITEM_DEFERRED,
            {"detail": {"text": "captcha", "wait_s": 3600.0}},
            "The call for an item is delayed: captcha, retried in 1 h",
        ),
        (
            Tag.ITEM_DEFERRED,
            {"detail": {"text": "No", "wait_s": 0.0}},
            "The call for an item is delayed: No, retried immediately",
        ),
        (Tag.ITEM_DEFERRED, {"detail": {"text": "No", "wait_s": float("inf")}}, "The call for an item is delayed: No"),
        (Tag.ITEM_DEFERRED, {"detail": {"text": "No", "wait_s": True}}, "The call for an item is delayed: No"),
        (
            Tag.ITEM_SETTLED,
            {**ACCOUNT, "detail": {"outcome": "rejected", "text": "Access is denied"}},
            "The outcome for EVAL-101 is rejected: Access is denied",
        ),
        (
            Tag.ITEM_UNKNOWN,
            {**ACCOUNT, "detail": {"text": "No answer within 15 s", "needs_person": False}},
            "The outcome for EVAL-101 is not known: No answer within 15 s",
        ),
        (
            Tag.ITEM_UNKNOWN,
            {**ACCOUNT, "detail": {"text": "No answer within 15 s", "needs_person": True}},
            "The outcome for EVAL-101 is not known: No answer within 15 s; a person has to decide",
        ),
        (
            Tag.OUTSIDE_LIMITS,
            {
                **ACCOUNT,
                "detail": {
                    "kind": "firm_limits",
                    "known_at": "2026-11-21T16:40:12+00:00",
                    "read_at": "2026-11-21T16:43:15+00:00",
                },
            },
            "Someone at Tradovate or the trader's firm changed EVAL-101: firm's limits changed, between 2026-11-21 10:40 and 10:43",
        ),
        (
            Tag.MIRROR_MISSING_ACCEPTED,
            {"detail": {"environment": "live", "missing": {"accounts": "6 of 10", "traders": "5 of 9"}}},
            "riskadmin accepted that 6 of 10 accounts and 5 of 9 traders of live are missing",
        ),
        (
            Tag.OUTSIDE_LIMITS,
            {**ACCOUNT, "detail": {"known_at": "2026-11-21T16:40:12+00:00"}},
            "Someone at Tradovate or the trader's firm changed EVAL-101",
        ),
        (
            Tag.API_HALTED,
            {"detail": {"endpoint": "/order/list on demo", "until": "2026-11-21T15:00:00Z", "text": "429"}},
            "Calls to Tradovate are stopped for /order/list on demo until 2026-11-21 09:00:00: 429",
        ),
        (Tag.API_HALTED, {"detail": {"endpoint": "", "text": "429"}}, "Calls to Tradovate are stopped: 429"),
        (
            Tag.API_LIMIT_LOWERED,
            {"detail": {"until": "2026-11-21T15:00:00Z", "text": "to 9 an hour"}},
            "The hourly limit of calls to Tradovate was lowered to 9 an hour; this lasts until 2026-11-21 09:00:00",
        ),
    ],
)
def test_the_sentence_says_what_matters(tag: Tag, columns: dict[str, Any], sentence: str) -> None:
    assert line(tag, **columns).sentence == sentence


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
    for limit in AUTO_LIQ_FIELDS.values():
        assert field_words(limit.name) == limit.label
    for field in (*POSITION_LIMIT_FIELDS, *RISK_PARAMETER_FIELDS, *SCOPE):
        assert field_words(field.name) == field.label


def test_a_limit_of_any_shape_can_be_read() -> None:
    for name, value in product(AUTO_LIQ_FIELDS, [*SHAPES, "1000.00", "soon", "2026-11-21", [{"step": 1}], "NaN"]):
        (field,) = line(Tag.OUTSIDE_LIMITS, before={name: value}).fields
        assert isinstance(field.before, str), (name, value)


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
