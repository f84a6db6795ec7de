"""The firm's caps (`LIMIT_CAPS`): the highest numbers that may be set, regardless of who requests and who approves.

A cap that is the same for every account is shown at the form's field; one that depends on the account's size, or a value that
does not come from the form, is a reason to skip the account. Fields that a change does not set are not checked against a cap.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Final

from django import forms
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from accounts.changes.kinds import limit_fields
from accounts.models import Account, pre_trade
from accounts.models.auto_liq_fields import AUTO_LIQ_FIELDS, ValueType
from riskadmin.web.formats import money, percent

Caps = Mapping[str, Mapping[str, Decimal]]

CAP_MAX, CAP_PCT = "max", "max_pct_of_size"


@dataclass(frozen=True, kw_only=True)
class Capped:
    """A number that a kind sets; `is_usd` says whether a cap may be a share of an evaluation's size."""

    label: str
    words: Callable[[Decimal], str]
    is_usd: bool = False
    is_both_ways: bool = False  # a difference: the cap applies to removing as well as to adding

    def exceeds(self, value: Decimal, highest: Decimal) -> bool:
        """Say whether a value is higher than may be set."""
        return (abs(value) if self.is_both_ways else value) > highest


def _capped() -> Mapping[str, Capped]:
    found = {
        "cash_change_usd": Capped(label="Change of the balance", words=money, is_usd=True, is_both_ways=True),
        "amount_usd": Capped(label="Balance", words=money, is_usd=True),
        "max_net_liq_usd": Capped(label="Max net liq", words=money, is_usd=True),
    }
    for limit in AUTO_LIQ_FIELDS.values():
        if limit.is_number:
            is_usd = limit.value_type is ValueType.USD
            found[limit.name] = Capped(label=limit.label, words=partial(limit_fields.in_words, limit), is_usd=is_usd)
    for field in (*pre_trade.POSITION_LIMIT_FIELDS, *pre_trade.RISK_PARAMETER_FIELDS):
        # If a higher value is tighter, a cap on it would only prevent tightening.
        if field.is_number and field.tighter != pre_trade.Tighter.HIGHER:
            is_usd = field.value_type == pre_trade.PreTradeValueType.USD
            found[field.name] = Capped(label=field.label, words=partial(pre_trade.in_words, field), is_usd=is_usd)
    return found


CAPPED: Final = _capped()


def beyond_cap(account: Account, values: Mapping[str, Decimal]) -> str:
    """Return the cap that the new values exceed, with the arithmetic, or "". A value that can't be checked exceeds it. Pure."""
    for name, cap in settings.LIMIT_CAPS.items():
        if name not in values:
            continue
        capped, value, size = CAPPED[name], values[name], account.evaluation_size_usd
        said = f"Beyond the firm's cap: {capped.label} at {capped.words(value)}, and the most that may be set is"
        if CAP_MAX in cap and capped.exceeds(value, cap[CAP_MAX]):
            return f"{said} {capped.words(cap[CAP_MAX])}"
        if CAP_PCT in cap:
            share = percent(cap[CAP_PCT])
            if size is None:
                return (
                    f"The firm's cap can't be judged: {capped.label} may be {share} of the evaluation size, which isn't known"
                )
            highest = size * cap[CAP_PCT] / 100
            if capped.exceeds(value, highest):
                return f"{said} {money(highest)} ({share} of {money(size)})"
    return ""


def hold_against_caps(form: forms.Form) -> None:
    """Add an error to each field of a form with a value that no account may have."""
    for name, cap in settings.LIMIT_CAPS.items():
        value = form.cleaned_data.get(name)
        if value is None or CAP_MAX not in cap:
            continue
        if CAPPED[name].exceeds(Decimal(value), cap[CAP_MAX]):
            form.add_error(name, f"Beyond the firm's cap: the most that may be set is {CAPPED[name].words(cap[CAP_MAX])}.")


def check_caps(caps: Caps) -> None:
    """Raise ImproperlyConfigured for a cap on a number that doesn't exist or can't have it: it would have no effect."""
    for name, cap in caps.items():
        capped = CAPPED.get(name)
        if capped is None:
            known = ", ".join(sorted(CAPPED))
            raise ImproperlyConfigured(f"LIMIT_CAPS names {name!r}, which is no number that is set. There are: {known}.")
        if CAP_PCT in cap and not capped.is_usd:
            raise ImproperlyConfigured(f"LIMIT_CAPS: {name} is not in dollars, so {CAP_PCT} means nothing there.")
