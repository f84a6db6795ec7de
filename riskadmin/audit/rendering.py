"""Events as pages show them: a title, a sentence, and every recorded field.

What an event says is declared in `declarations`; here are the words that need more than a recorded field. Old rows stay as they
were written, so nothing here requires anything: a missing value is called missing, and a field that the tag does not declare is
shown as it is.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

from django.utils.dateparse import parse_datetime

from riskadmin.audit.declaration import Declaration
from riskadmin.audit.declarations import DECLARATIONS
from riskadmin.audit.field_labels import FIELD_LABELS
from riskadmin.audit.models import Event
from riskadmin.audit.outside import OUTSIDE, OutsideKind
from riskadmin.audit.tags import Tag
from riskadmin.audit.wording import ENVIRONMENT_WORDS, field_words, reason_words, state_words, value_words
from riskadmin.web.clock import display_zone
from riskadmin.web.formats import between, counted, duration, moment
from riskadmin.web.tickets import ticket_url
from riskadmin.web.visible import isolated, marked

# Outcomes that were read back from Tradovate.
CONFIRMED_OUTCOMES: Final = frozenset({"applied", "unchanged"})

PRIORITY_WORDS: Final = {10: "before others", 0: "normal", -10: "after others"}

WAIT_MAX_S: Final = 365 * 86_400
"""Nothing waits for longer. A larger number is not a wait."""

EVIDENCE_FIELDS: Final = frozenset({"admin_at"})
"""Recorded with a state to distinguish one act from another."""

MISSING: Final = "(not recorded)"
"""Stands in a sentence for a value that an old row does not have."""

_OPTIONAL_PARTS: Final = re.compile(r"\[([^\]]*)\]")
_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")


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
class Detail:
    """One recorded detail. One that its tag does not declare has its stored name as label, and its stored value."""

    label: str
    words: str
    is_declared: bool
    url: str = ""


@dataclass(frozen=True)
class EventLine:
    """An event as lists and panels show it."""

    event: Event

    @property
    def title(self) -> str:
        """What happened; for the end of an item, its outcome. A tag from a later version is shown as it is."""
        if self.event.tag == Tag.ITEM_SETTLED and _detail(self.event, "outcome"):
            return _outcome(_detail(self.event, "outcome")).capitalize()
        if self.is_outside and _detail(self.event, "kind") in OutsideKind.values:
            return f"{OutsideKind(_detail(self.event, 'kind')).label} {OUTSIDE}"
        return Tag(self.event.tag).label if self.event.tag in Tag.values else self.event.tag

    @cached_property
    def tone(self) -> str:
        """The tone of its mark: that of the state that it reports, if it reports one."""
        state = state_words(self._state)
        return state.look.tone if state else self._declaration.tone

    @cached_property
    def icon(self) -> str:
        """The icon of the state that it reports; "" for the tone's own."""
        state = state_words(self._state)
        return state.look.icon if state else ""

    @property
    def is_plain(self) -> bool:
        """Whether it has no mark: nothing in it needs to stand out."""
        return self.tone == "neutral" and not self.icon

    @property
    def _state(self) -> str:
        return self._declaration.state.replace("{outcome}", _detail(self.event, "outcome"))

    @property
    def _declaration(self) -> Declaration:
        return DECLARATIONS[Tag(self.event.tag)] if self.event.tag in Tag.values else _UNDECLARED

    @cached_property
    def sentence(self) -> str:
        """What happened, as one sentence, and after it the fields that its tag does not declare."""
        parts = _OPTIONAL_PARTS.split(self._declaration.sentence)
        # What the pattern captured, every second part, is optional.
        said = "".join(self._filled(part, is_optional=bool(place % 2)) for place, part in enumerate(parts))
        others = "; ".join(f"{detail.label}: {detail.words}" for detail in self.details if not detail.is_declared)
        return f"{said} ({others})" if others else said

    def _filled(self, part: str, *, is_optional: bool) -> str:
        words = {name: self._word(name) for name in _PLACEHOLDER.findall(part)}
        if is_optional and not all(words.values()):
            return ""
        return _PLACEHOLDER.sub(lambda found: isolated(words[found[1]]) or MISSING, part)

    def _word(self, name: str) -> str:
        if name == "actor":
            return self.actor
        if name in DERIVED:
            return DERIVED[name](self.event)
        return _field(name, _mapping(self.event.detail).get(name))

    @cached_property
    def details(self) -> list[Detail]:
        """Every recorded detail: the declared ones in their order, then the others as they were stored."""
        return list(self._details())

    def _details(self) -> Iterator[Detail]:
        recorded = _mapping(self.event.detail)
        if not recorded and self.event.detail:
            yield Detail("detail", marked(_as_stored(self.event.detail)), is_declared=False)
        for name in self._declaration.fields:
            if name in recorded:
                url = ticket_url(_plain(recorded[name])) if name == "ticket" else ""
                yield Detail(FIELD_LABELS[name], marked(_field(name, recorded[name])), is_declared=True, url=url)
        for name, value in recorded.items():
            if name not in self._declaration.fields:
                yield Detail(marked(name), marked(_as_stored(value)), is_declared=False)

    @property
    def actor(self) -> str:
        """Who did it: the person under their name at the time, riskadmin itself, or an unknown person."""
        if self.is_outside:
            return "Outside riskadmin"
        if self.event.staff_id is not None or self.event.staff_name:  # who runs a command is named, without a number
            return isolated(self.event.staff_name) or f"Person {self.event.staff_id}"
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
            FieldChange(
                key,
                marked(field_words(key)),
                marked(value_words(key, before.get(key))),
                marked(value_words(key, after.get(key))),
            )
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


def _as_stored(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# --- Declared fields in words -------------------------------------------------------------------------------------------


def _field(name: str, value: object) -> str:
    """Return a recorded field in words, whatever its shape; "" when it is empty."""
    return _FIELD_FORMATS.get(name, _plain)(value)


def _plain(value: object) -> str:
    match value:
        case None | "" | []:
            return ""
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(_plain, value))
        case dict():
            return ", ".join(f"{key}: {_plain(part) or '—'}" for key, part in value.items())
        case _:
            return str(value)


def _time_words(value: object) -> str:
    """Return a recorded time in the zone of the pages, or as it was recorded."""
    at = _time(value)
    return moment(at, display_zone()) if at else _plain(value)


def _time(value: object) -> datetime | None:
    """Return a recorded time; None for anything else."""
    try:
        at = parse_datetime(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return at if at and at.tzinfo else None


def _kind(value: object) -> str:
    return _plain(value).replace("_", " ").capitalize()


def _outcome(value: object) -> str:
    """Return an outcome in words; one from a later version as it is."""
    state = state_words(f"item:{value}")
    return state.label.lower() if state else _plain(value)


def _counts(value: object) -> str:
    return ", ".join(f"{_plain(count)} {_outcome(outcome)}" for outcome, count in _mapping(value).items() if count)


def _files(value: object) -> str:
    """Return files as their names, each with its hash."""
    pairs = value if isinstance(value, list) else []
    if not pairs or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):  # noqa: PLR2004  (name and hash)
        return _plain(value)
    return ", ".join(f"“{_plain(name)}” (SHA-256 {_plain(sha256)})" for name, sha256 in pairs)


_FIELD_FORMATS: Final[dict[str, Callable[[object], str]]] = {
    "counts": _counts,
    "files": _files,
    "kind": _kind,
    "known_at": _time_words,
    "locked_until": _time_words,
    "outcome": _outcome,
    "read_at": _time_words,
    "runs_at": _time_words,
    "since": _time_words,
    "until": _time_words,
}


# --- Words that a sentence needs besides its fields ---------------------------------------------------------------------


def _change(event: Event) -> str:
    return "a change" if event.change_id is None else f"change {event.change_id}"


def _call(event: Event) -> str:
    return "a call" if event.call_id is None else f"call {event.call_id}"


def _account(event: Event) -> str:
    return event.account_name or ("an account" if event.account_id is None else f"account {event.account_id}")


def _target(event: Event) -> str:
    """Return what an event of items is about: the account or trader, or how many items one call carried."""
    if event.account_name or event.account_id is not None:
        return _account(event)
    return _counted(event, "items", "item") or "an item"


def _counted(event: Event, name: str, what: str) -> str:
    """Return a recorded number with its noun, "1 item" or "3 items". "" when it is none."""
    count = _mapping(event.detail).get(name)
    if not isinstance(count, int) or isinstance(count, bool):
        return ""
    return counted(count, what)


def _attempted(event: Event) -> str:
    username = _detail(event, "username")
    switched_off = ", who is switched off" if _mapping(event.detail).get("active") is False else ""
    return f"{username}{switched_off}" if username else "an unknown username"


def _person(event: Event) -> str:
    after = _mapping(event.after)
    name, username = (value_words(key, after.get(key)) for key in ("name", "username"))
    return f"{name} ({username})" if name and username else name or username


def _roles(event: Event) -> str:
    return value_words("roles", _mapping(event.after).get("roles"))


def _priority(event: Event) -> str:
    after = _mapping(event.after).get("priority")
    return PRIORITY_WORDS.get(after, str(after)) if isinstance(after, int) else ""


SHOWN_WORDS: Final = {
    "liquidated": "would be liquidated",
    "possibly_liquidated": "might be liquidated",
}
"""The effects shown to the approver that are repeated in the approval's sentence. The event contains all of them."""


def _shown_effects(event: Event) -> str:
    effects = _mapping(_mapping(event.detail).get("effects"))
    counted = ((effects.get(name), words) for name, words in SHOWN_WORDS.items())
    return " and ".join(f"{count} {words}" for count, words in counted if isinstance(count, int) and count)


def _skipped_count(event: Event) -> str:
    count = _detail(event, "set_aside")
    return "" if count == "0" else count


def _after_window(event: Event) -> str:
    until = _field("until", _detail(event, "until"))
    return f"it continues at {until}" if until else "what was not sent is cancelled"


def _repeated_attempt(event: Event) -> str:
    attempt = _detail(event, "attempt")
    return "" if attempt in {"0", "1"} else attempt


def _http(event: Event) -> str:
    status, elapsed = _detail(event, "status"), _detail(event, "elapsed_ms")
    return " ".join(part for part in (f"HTTP {status}" if status else "", f"after {elapsed} ms" if elapsed else "") if part)


def _answer(event: Event) -> str:
    """Return Tradovate's words, without what the sentence says already: that Tradovate answered, and the HTTP status."""
    text, status = _detail(event, "text"), _detail(event, "status")
    return text.removeprefix(f"{Tag.ITEM_SENT.label}: ").removesuffix(f" (HTTP {status})")


def _retried(event: Event) -> str:
    """Say when something is tried again, from a recorded wait in seconds. "" for anything else."""
    wait_s = _mapping(event.detail).get("wait_s")
    if not isinstance(wait_s, int | float) or isinstance(wait_s, bool) or not 0 <= wait_s <= WAIT_MAX_S:
        return ""
    return f"retried in {duration(timedelta(seconds=round(wait_s)))}" if wait_s >= 1 else "retried immediately"


def _who_decides(event: Event) -> str:
    return "a person has to decide" if _mapping(event.detail).get("needs_person") is True else ""


def _resend_reason(event: Event) -> str:
    comment = _detail(event, "comment")
    return f"“{comment}”" if comment else _detail(event, "text")


def _outside_kind(event: Event) -> str:
    kind = _detail(event, "kind")
    return (OutsideKind(kind).label if kind in OutsideKind.values else kind).lower()


def _found(event: Event) -> str:
    recorded = _mapping(event.detail)
    earliest, latest = _time(recorded.get("known_at")), _time(recorded.get("read_at"))
    return between(earliest, latest, display_zone()) if earliest and latest else ""


def _missing_rows(event: Event) -> str:
    missing = _mapping(_mapping(event.detail).get("missing"))
    return " and ".join(f"{count} {rows}" for rows, count in missing.items())


DERIVED: Final[dict[str, Callable[[Event], str]]] = {
    "account": _account,
    "after_window": _after_window,
    "answer": _answer,
    "attempted": _attempted,
    "call": _call,
    "change": _change,
    "event_count": lambda event: _counted(event, "events", "event"),
    "found": _found,
    "http": _http,
    "item_count": lambda event: _counted(event, "items", "item"),
    "missing_rows": _missing_rows,
    "outside_kind": _outside_kind,
    "person": _person,
    "priority": _priority,
    "repeated_attempt": _repeated_attempt,
    "resend_reason": _resend_reason,
    "retried": _retried,
    "roles": _roles,
    "row_count": lambda event: _counted(event, "rows", "row"),
    "skipped_count": _skipped_count,
    "shown_effects": _shown_effects,
    "target": _target,
    "who_decides": _who_decides,
}
"""The words of a sentence that are no declared field, by placeholder. `actor` is one more: `EventLine.actor`."""

_UNDECLARED: Final = Declaration(sentence="{actor} did something that this version has no words for")
"""For a tag that this version does not know: its fields follow as they were stored."""
