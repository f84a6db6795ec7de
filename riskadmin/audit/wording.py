"""Words for Tradovate's values and for riskadmin's own. Unknown values are shown as they are, never hidden."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from django.db import models

from riskadmin.tradovate.vocabulary import AdminAction, Environment, ReasonCode
from riskadmin.web.looks import Look

ADMIN_ACTION_WORDS: Final[dict[str, str]] = {
    AdminAction.NORMAL: "Normal",
    AdminAction.LOCK: "Locked (no orders)",
    AdminAction.LIQUIDATE: "Liquidated and locked",
    AdminAction.LIQUIDATE_ONLY: "Closing orders only",
    AdminAction.PLACE_AUTO_LIQ_ON_HOLD: "Auto-liquidation on hold",
    AdminAction.DISABLE_AUTO_LIQ: "Auto-liquidation switched off",
    AdminAction.AGREED_ON_LIQ_ONLY_MODE_BY_AUTO_LIQ: "Auto-liquidation paused, closing orders only",
    AdminAction.AGREED_ON_LIQUIDATION_BY_AUTO_LIQ: "Auto-liquidation paused",
}

REASON_WORDS: Final[dict[str, str]] = {
    ReasonCode.OTHER: "Other",
    ReasonCode.RESTRICTED_RISK_RESTRICTION: "Restricted: risk",
    ReasonCode.RESTRICTED_COMPLIANCE_REQUEST: "Restricted: compliance asked",
    ReasonCode.RESTRICTED_ACCOUNTS_REQUEST: "Restricted: accounts department asked",
    ReasonCode.RESTRICTED_TREASURY_REQUEST: "Restricted: treasury asked",
    ReasonCode.RESTRICTED_AML_REQUEST: "Restricted: anti-money-laundering asked",
    ReasonCode.RESTRICTED_W8_EXPIRED: "Restricted: tax form W-8 expired",
    ReasonCode.FULL_BALANCE_WITHDRAWAL: "Whole balance withdrawn",
    ReasonCode.CLOSE_CUSTOMER_REQUEST: "Closing: customer asked",
    ReasonCode.CLOSE_COMPLIANCE_DECISION: "Closing: compliance decided",
    ReasonCode.CLOSE_AML_DECISION: "Closing: anti-money-laundering decided",
    ReasonCode.CLOSE_FRAUD: "Closing: fraud",
    ReasonCode.CLOSE_INACTIVE_UNFUNDED_ACCOUNT: "Closing: inactive, without funds",
    ReasonCode.CLOSE_DECEASED: "Closing: customer died",
    ReasonCode.CLOSE_ESCHEATMENT: "Closing: escheated to the state",
}

ENVIRONMENT_WORDS: Final[dict[str, str]] = {Environment.DEMO: "Demo", Environment.LIVE: "Live"}

FIELD_WORDS: Final[dict[str, str]] = {
    "admin_action": "Risk action",
    "admin_actions": "Risk actions, in order",
    "admin_at": "Risk action set",
    "category": "Risk category",
    "stopped_by_limit": "Stopped by a limit",
    "username": "Username",
    "name": "Name",
    "email": "E-mail",
    "is_active": "May sign in",
    "roles": "Roles",
    "channels": "Channels by topic",
    "mail_digest": "E-mail digest",
}


@dataclass(frozen=True, kw_only=True)
class FieldWords:
    """How another package names a field that it records, and how it formats the field's values, which may have any shape.

    Without `value`, they are formatted like any others.
    """

    label: str
    value: Callable[[Any], str] | None = None


_OF_OTHER_PACKAGES: Final[dict[str, FieldWords]] = {}


def name_fields(words: Mapping[str, FieldWords]) -> None:
    """Register names and formats of fields. A package that records fields calls this once, when it starts."""
    _OF_OTHER_PACKAGES.update(words)


Choice = TypeVar("Choice", bound=models.TextChoices)


@dataclass(frozen=True, kw_only=True)
class StateWords:
    """What another package calls one of its states, and its look there."""

    label: str
    look: Look


_STATES: Final[dict[str, StateWords]] = {}


def name_states(subject: str, looks: Mapping[Choice, Look]) -> None:
    """Register the states of a subject that events report, such as "item": then "item:applied" is one of them.

    A package with states calls this when it starts, so that the trail and the other pages agree.
    """
    _STATES.update({f"{subject}:{state.value}": StateWords(label=state.label, look=look) for state, look in looks.items()})


def state_words(name: str) -> StateWords | None:
    """Return the words and look of a state that events report; None for one that is not registered."""
    return _STATES.get(name)


def states_of(subject: str) -> list[tuple[str, str]]:
    """Return the registered states of a subject, each with its label."""
    named = ((name.partition(":"), words.label) for name, words in _STATES.items())
    return [(state, label) for (about, _, state), label in named if about == subject]


def reason_words(code: str) -> str:
    """Return a reason code in words."""
    return REASON_WORDS.get(code, code)


def field_words(field: str) -> str:
    """Return the name of a recorded field in words."""
    if field in _OF_OTHER_PACKAGES:
        return _OF_OTHER_PACKAGES[field].label
    return FIELD_WORDS.get(field, field.replace("_", " ").capitalize())


def value_words(field: str, value: object) -> str:
    """Return a recorded value in words; empty when it was not set."""
    match value:
        case None | "" | []:
            return ""
        case _ if field in _OF_OTHER_PACKAGES and (say := _OF_OTHER_PACKAGES[field].value):
            return _words_or_raw(say, value)
        case bool():
            return "yes" if value else "no"
        case str() if field in {"admin_action", "admin_actions"}:
            return ADMIN_ACTION_WORDS.get(value, value)
        case list():
            return ", ".join(value_words(field, part) for part in value)
        case dict():
            return ", ".join(f"{field_words(key)}: {value_words(key, part) or '—'}" for key, part in value.items())
        case _:
            return str(value)


def _words_or_raw(say: Callable[[Any], str], value: object) -> str:
    try:
        return say(value)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return str(value)  # an old row, or a value of another shape
