"""One-line descriptions of events. Each tag has a formatter here, and a test checks that none is missing.

Old rows stay as they were written, so a formatter requires nothing: a value that is missing or has another shape is left
out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

from django.utils.dateparse import parse_datetime

from riskadmin.audit.models import Event
from riskadmin.audit.outside import OUTSIDE, OutsideKind
from riskadmin.audit.tags import Tag
from riskadmin.audit.wording import ENVIRONMENT_WORDS, field_words, reason_words, value_words
from riskadmin.web.clock import display_zone
from riskadmin.web.formats import between, duration, moment

Formatter = Callable[[Event], str]

# Outcomes that were read back from Tradovate.
CONFIRMED_OUTCOMES: Final = frozenset({"applied", "unchanged"})


PRIORITY_WORDS: Final = {10: "before others", 0: "normal", -10: "after others"}

WAIT_MAX_S: Final = 365 * 86_400
"""Nothing waits for longer. A larger number is not a wait."""

EVIDENCE_FIELDS: Final = frozenset({"admin_at"})
"""Recorded with a state to distinguish one act from another."""


@dataclass(frozen=True)
class FieldChange:
    """One recorded field, in words. A side is empty where the field was not set."""

    key: str
    label: str
    before: str
    after: str

    @property
    def is_changed(self) -> bool:
        """Whether the field changed."""
        return self.before != self.after


@dataclass(frozen=True)
class Line:
    """An event as lists and panels show it."""

    event: Event

    @property
    def title(self) -> str:
        """What happened; for the end of an item, its outcome. A tag from a later version is shown as it is."""
        if self.event.tag == Tag.ITEM_SETTLED and _detail(self.event, "outcome"):
            return _detail(self.event, "outcome").capitalize()
        if self.is_outside and _detail(self.event, "kind") in OutsideKind.values:
            return f"{OutsideKind(_detail(self.event, 'kind')).label} {OUTSIDE}"
        return Tag(self.event.tag).label if self.event.tag in Tag.values else self.event.tag

    @property
    def tone(self) -> str:
        """The tone of its mark: failures stand out, ordinary events don't."""
        if self.event.tag == Tag.ITEM_SETTLED:
            return OUTCOME_TONES.get(_detail(self.event, "outcome"), "neutral")
        return TONES.get(self.event.tag, "neutral")

    @cached_property
    def summary(self) -> str:
        """The text of the tag's formatter. It may be empty."""
        formatter = FORMATTERS.get(self.event.tag)
        return formatter(self.event) if formatter else ""

    @property
    def actor(self) -> str:
        """Who did it: the person under their name at the time, riskadmin itself, or an unknown person."""
        if self.is_outside:
            return "Outside riskadmin"
        if self.event.staff_id is not None:
            return self.event.staff_name or f"Person {self.event.staff_id}"
        return "riskadmin" if self.event.job or not self.event.address else "Not signed in"

    @property
    def actor_role(self) -> str:
        """The person's roles at the time, or the part of riskadmin that did it."""
        return "" if self.is_outside else self.event.staff_role or self.event.job

    @property
    def is_outside(self) -> bool:
        """Whether an unknown person did it at Tradovate and riskadmin only detected it."""
        return self.event.tag.startswith("outside:")

    @property
    def reason(self) -> str:
        """The reason code in words."""
        return reason_words(self.event.reason_code)

    @property
    def environment(self) -> str:
        """The environment's name."""
        return ENVIRONMENT_WORDS.get(self.event.environment, self.event.environment)

    @cached_property
    def fields(self) -> list[FieldChange]:
        """Every field of the recorded before and after. For an intent, only the fields that were meant to change."""
        before, after = _with_category_named(_mapping(self.event.before), _mapping(self.event.after))
        keys = after if self.is_intent and after else dict.fromkeys([*before, *after])
        return [
            FieldChange(key, field_words(key), value_words(key, before.get(key)), value_words(key, after.get(key)))
            for key in keys
        ]

    @property
    def changes(self) -> list[FieldChange]:
        """The fields that changed, without those that only serve as evidence. The event's own page shows those too."""
        return [field for field in self.fields if field.is_changed and field.key not in EVIDENCE_FIELDS]

    @property
    def is_intent(self) -> bool:
        """Whether the recorded after is the intended state, not one that was read at Tradovate."""
        if self.event.tag == Tag.ITEM_SETTLED:
            return _detail(self.event, "outcome") not in CONFIRMED_OUTCOMES
        return self.event.tag.startswith(("change:", "item:"))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _with_category_named(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return both with the category as one field, by name. Items record its number, and beside it the name for people."""
    if "category_id" not in before and "category_id" not in after:
        return before, after
    return _named(before, after.get("was")), _named(after, after.get("category"))


def _named(side: Mapping[str, Any], category: object) -> Mapping[str, Any]:
    others = {name: value for name, value in side.items() if name not in {"category_id", "category", "was"}}
    return {"category": category or _number_of(side["category_id"]), **others} if "category_id" in side else others


def _number_of(category_id: object) -> str | None:
    return None if category_id is None else f"number {category_id}"


def _detail(event: Event, key: str) -> str:
    """Return a recorded detail as text. Empty when it is missing or not a plain value."""
    value = _mapping(event.detail).get(key)
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _when(event: Event, key: str) -> str:
    """Return a recorded time in the zone of the pages, or as it was recorded."""
    at = _time(event, key)
    return moment(at, display_zone()) if at else _detail(event, key)


def _time(event: Event, key: str) -> datetime | None:
    """Return a recorded time; None for anything else."""
    try:
        at = parse_datetime(_detail(event, key))
    except ValueError:
        return None
    return at if isinstance(at, datetime) and at.tzinfo else None


def _joined(*parts: str, by: str = ", ") -> str:
    return by.join(part for part in parts if part)


def _prefixed(prefix: str, text: str) -> str:
    return f"{prefix}{text}" if text else ""


def _quoted(text: str) -> str:
    return f"“{text}”" if text else ""


def _nothing_more(event: Event) -> str:  # noqa: ARG001  (a formatter)
    return ""


def _sign_in_refused(event: Event) -> str:
    username = _detail(event, "username")
    switched_off = ", who is switched off" if _mapping(event.detail).get("active") is False else ""
    whom = f"for {username}{switched_off}" if username else "for a username that nobody has"
    return _joined(whom, _prefixed("further tries refused until ", _when(event, "locked_until")), by="; ")


def _person(event: Event) -> str:
    after = _mapping(event.after)
    named = _joined(value_words("name", after.get("name")), value_words("username", after.get("username")))
    return _joined(named, _prefixed("as ", value_words("roles", after.get("roles"))), by=" ")


def _password_set(event: Event) -> str:
    return _prefixed("for ", _detail(event, "username"))


def _noted(event: Event) -> str:
    return _quoted(_detail(event, "text"))


def _kind(event: Event) -> str:
    return _detail(event, "kind").replace("_", " ").capitalize()


def _submitted(event: Event) -> str:
    items = _detail(event, "items")
    accounts = f"{items} {'account' if items == '1' else 'accounts'}" if items else ""
    skipped = _prefixed("this one skipped: ", _detail(event, "skipped"))
    return _joined(_joined(_kind(event), accounts), skipped, by="; ")


def _started(event: Event) -> str:
    items, aside = _detail(event, "items"), _detail(event, "set_aside")
    return _joined(_kind(event), _prefixed("items: ", items), _prefixed("set aside: ", aside if aside != "0" else ""))


def _window_closed(event: Event) -> str:
    until = _when(event, "until")
    return _prefixed("goes on at ", until) if until else "what was not sent is cancelled"


def _rows_left_out(event: Event) -> str:
    rows = _detail(event, "rows")
    counted = f"{rows} {'row' if rows == '1' else 'rows'}" if rows else ""
    return _joined(counted, _prefixed("of ", _detail(event, "source")), by=" ")


SHOWN_WORDS: Final = {
    "liquidated": "would be liquidated",
    "possibly_liquidated": "might be liquidated",
}
"""The effects shown to the approver that are repeated in the approval's line. The event contains all of them."""


def _decided(event: Event) -> str:
    effects = _mapping(_mapping(event.detail).get("effects"))
    shown = (f"{effects[name]} {words}" for name, words in SHOWN_WORDS.items() if isinstance(effects.get(name), int))
    told = _prefixed("shown that ", _joined(*(each for each in shown if not each.startswith("0 ")), by=" and "))
    return _joined(_joined(_kind(event), told), _quoted(_detail(event, "comment")), by=": ")


def _decision_refused(event: Event) -> str:
    return _joined(_detail(event, "verdict"), _explained(event), by=": ")


def _explained(event: Event) -> str:
    return _detail(event, "text") or _detail(event, "why") or _detail(event, "reason")


def _finished(event: Event) -> str:
    counts = _mapping(_mapping(event.detail).get("counts"))
    return _joined(*(f"{count} {outcome}" for outcome, count in counts.items() if count))


def _priority(event: Event) -> str:
    after = _mapping(event.after).get("priority")
    return PRIORITY_WORDS.get(after, str(after)) if isinstance(after, int) else ""


def _resolved(event: Event) -> str:
    return _joined(_detail(event, "outcome"), _quoted(_detail(event, "comment")), by=": ")


def _claimed(event: Event) -> str:
    attempt = _detail(event, "attempt")
    call = f"call {event.call_id}" if event.call_id is not None else ""
    return _joined(call, f"try {attempt}" if attempt not in {"", "0", "1"} else "")


def _answered(event: Event) -> str:
    elapsed, status = _detail(event, "elapsed_ms"), _detail(event, "status")
    answer = _joined(_prefixed("HTTP ", status), f"after {elapsed} ms" if elapsed else "", by=" ")
    # The title already says that Tradovate answered; this line adds the status.
    text = _detail(event, "text").removeprefix(f"{Tag.ITEM_SENT.label}: ").removesuffix(f" (HTTP {status})")
    return _joined(answer, text, by=": ")


def _deferred(event: Event) -> str:
    return _joined(_explained(event), _again(_mapping(event.detail).get("wait_s")))


def _again(wait_s: object) -> str:
    """Say when something is tried again, from a recorded wait in seconds. "" for anything else."""
    if not isinstance(wait_s, int | float) or isinstance(wait_s, bool) or not 0 <= wait_s <= WAIT_MAX_S:
        return ""
    return f"again in {duration(timedelta(seconds=round(wait_s)))}" if wait_s >= 1 else "again at once"


def _halted(event: Event) -> str:
    until = _prefixed("until ", _when(event, "until"))
    return _joined(_detail(event, "endpoint"), until, _explained(event))


def _template(event: Event) -> str:
    version = _prefixed("version ", _detail(event, "number"))
    return _joined(_joined(_detail(event, "template"), version), _quoted(_detail(event, "comment")), by=": ")


def _template_decision_refused(event: Event) -> str:
    return _joined(_template(event), _decision_refused(event), by="; ")


def _template_assigned(event: Event) -> str:
    return _joined(_detail(event, "template"), _detail(event, "to"), by=" for ")


def _outside(event: Event) -> str:
    earliest, latest = _time(event, "known_at"), _time(event, "read_at")
    return between(earliest, latest, display_zone()) if earliest and latest else ""


def _missing_accepted(event: Event) -> str:
    missing = _joined(
        *(f"{count} {rows}" for rows, count in _mapping(_mapping(event.detail).get("missing")).items()), by=" and "
    )
    return _joined(_detail(event, "environment"), missing, by=": ")


FORMATTERS: Final[dict[str, Formatter]] = {
    Tag.STAFF_SIGNED_IN: _nothing_more,
    Tag.STAFF_SIGNED_OUT: _nothing_more,
    Tag.STAFF_SIGN_IN_REFUSED: _sign_in_refused,
    Tag.STAFF_CREATED: _person,
    Tag.STAFF_PASSWORD_SET: _password_set,
    Tag.ACCOUNT_NOTED: _noted,
    Tag.CHANGE_SUBMITTED: _submitted,
    Tag.CHANGE_ROWS_LEFT_OUT: _rows_left_out,
    Tag.CHANGE_APPROVED: _decided,
    Tag.CHANGE_REJECTED: _decided,
    Tag.CHANGE_DECISION_REFUSED: _decision_refused,
    Tag.CHANGE_CANCELLED: _decided,
    Tag.CHANGE_EXPIRED: _explained,
    Tag.CHANGE_STARTED: _started,
    Tag.CHANGE_WINDOW_CLOSED: _window_closed,
    Tag.CHANGE_PAUSED: _kind,
    Tag.CHANGE_RESUMED: _kind,
    Tag.CHANGE_STOPPED: _kind,
    Tag.CHANGE_PRIORITY_SET: _priority,
    Tag.CHANGE_FINISHED: _finished,
    Tag.TEMPLATE_PROPOSED: _template,
    Tag.TEMPLATE_WITHDRAWN: _template,
    Tag.TEMPLATE_APPROVED: _template,
    Tag.TEMPLATE_REJECTED: _template,
    Tag.TEMPLATE_DECISION_REFUSED: _template_decision_refused,
    Tag.TEMPLATE_IN_FORCE: _template,
    Tag.TEMPLATE_ASSIGNED: _template_assigned,
    Tag.TEMPLATE_UNASSIGNED: _template_assigned,
    Tag.ITEM_CLAIMED: _claimed,
    Tag.ITEM_STEP_DONE: _explained,
    Tag.ITEM_SENT: _answered,
    Tag.ITEM_DEFERRED: _deferred,
    Tag.ITEM_SETTLED: _explained,
    Tag.ITEM_UNKNOWN: _explained,
    Tag.ITEM_READ_AGAIN: _explained,
    Tag.ITEM_RESOLVED: _resolved,
    Tag.ITEM_RESENT: _explained,
    Tag.MIRROR_MISSING_ACCEPTED: _missing_accepted,
    Tag.OUTSIDE_STATUS: _outside,
    Tag.OUTSIDE_LIMITS: _outside,
    Tag.OUTSIDE_CATEGORY: _outside,
    Tag.OUTSIDE_POSITION_LIMITS: _outside,
    Tag.OUTSIDE_RISK_PARAMETERS: _outside,
    Tag.API_HALTED: _halted,
    Tag.API_LIMIT_LOWERED: _halted,
}

TONES: Final[dict[str, str]] = {
    Tag.STAFF_SIGN_IN_REFUSED: "warn",
    Tag.CHANGE_APPROVED: "ok",
    Tag.CHANGE_REJECTED: "danger",
    Tag.CHANGE_DECISION_REFUSED: "warn",
    Tag.TEMPLATE_APPROVED: "ok",
    Tag.TEMPLATE_REJECTED: "danger",
    Tag.TEMPLATE_DECISION_REFUSED: "warn",
    Tag.ITEM_DEFERRED: "warn",
    Tag.ITEM_UNKNOWN: "warn",
    Tag.ITEM_RESOLVED: "info",
    Tag.ITEM_RESENT: "warn",
    Tag.CHANGE_WINDOW_CLOSED: "warn",
    Tag.CHANGE_PAUSED: "warn",
    Tag.CHANGE_STOPPED: "warn",
    Tag.MIRROR_MISSING_ACCEPTED: "warn",
    Tag.OUTSIDE_STATUS: "warn",
    Tag.OUTSIDE_LIMITS: "warn",
    Tag.OUTSIDE_CATEGORY: "warn",
    Tag.OUTSIDE_POSITION_LIMITS: "warn",
    Tag.OUTSIDE_RISK_PARAMETERS: "warn",
    Tag.API_HALTED: "danger",
    Tag.API_LIMIT_LOWERED: "warn",
}

OUTCOME_TONES: Final[dict[str, str]] = {
    "applied": "ok",
    "rejected": "danger",
    "unknown": "warn",
}
