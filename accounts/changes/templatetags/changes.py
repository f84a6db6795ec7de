"""How changes and items look on every page; `{% load changes %}`."""

from collections.abc import Mapping
from typing import Any, Final

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.approvals.states import REQUEST_LOOK, VERDICT_LOOK, RequestState, Verdict
from accounts.changes.effects import COMPARED, MEASURES, ChangeEffects, Measure
from accounts.changes.kinds.spec import Unit
from accounts.changes.kinds.stored import State, StoredKind
from accounts.changes.listed_rows import LossBar
from accounts.changes.models import Change, Item
from accounts.changes.queries import Progress
from accounts.changes.states import (
    CHANGE_LOOK,
    HALF_DONE,
    HALF_DONE_LOOK,
    ITEM_LOOK,
    ChangeState,
    ItemState,
)
from riskadmin.audit.wording import reason_words
from riskadmin.web.templatetags.face import UNSET, before_after, drawn, icon, named

register = template.Library()


@register.simple_tag
def change_state(value: str) -> SafeString:
    """Draw a change's state."""
    known = ChangeState(value)
    return drawn(known.label, CHANGE_LOOK[known])


@register.simple_tag
def state_of(change: Change) -> SafeString:
    """Draw the state of a change; one that was sent back is told from a rejected one, as on the pages of approvals."""
    if change.is_sent_back:
        return drawn(change.state_label, REQUEST_LOOK[RequestState.EDITS_REQUESTED])
    return change_state(change.state)


@register.simple_tag
def item_state(value: str) -> SafeString:
    """Draw an item's state or outcome."""
    known = ItemState(value)
    return drawn(known.label, ITEM_LOOK[known])


@register.simple_tag
def item_icon(value: str) -> SafeString:
    """Draw only the icon of an item's state, for a button or a line that says the rest in words."""
    return icon(ITEM_LOOK[ItemState(value)].icon)


@register.simple_tag
def half_done() -> SafeString:
    """Draw the mark of an item that ended after the first of its kind's steps."""
    return drawn(HALF_DONE, HALF_DONE_LOOK)


@register.simple_tag
def verdict(value: str) -> SafeString:
    """Draw what one person decided about a change or a template's version."""
    known = Verdict(value)
    return drawn(known.label, VERDICT_LOOK[known])


@register.simple_tag
def tally_bar(progress: Progress) -> SafeString:
    """Draw how many items are in each state as one bar; screen readers skip it, as the numbers are beside it."""
    parts = format_html_join(
        "",
        '<rect class="tone-{}" x="{}" width="{}" height="4"></rect>',
        ((ITEM_LOOK[state].tone, f"{begins:.3f}", f"{width:.3f}") for state, _, begins, width in progress.shares),
    )
    return format_html('<svg class="tally" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">{}</svg>', parts)


@register.simple_tag
def differences(kind: StoredKind, before: State | None, after: State | None) -> SafeString:
    """Draw what a kind modifies between two states, each named if there may be several; a dash if nothing is intended."""
    if before is None or after is None:
        return UNSET
    found = kind.differences(before, after)
    is_named = len(found) > 1 or kind.parameters_form is not None
    return format_html_join(
        "",
        "<div>{}{}</div>",
        (
            (
                format_html('<span class="ba-label">{}</span> ', each.label) if is_named else "",
                before_after(each.before, each.after, each.direction),
            )
            for each in found
        ),
    )


LOSS_BAR: Final = """\
<svg class="loss-bar" viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">\
<rect class="loss-scale" y="3" width="100" height="6"></rect>\
<rect class="loss-within" y="3" width="{within}" height="6"></rect>\
<rect class="loss-past" x="{new}" y="3" width="{past}" height="6"></rect>\
{present}<line class="loss-new" x1="{new}" x2="{new}" y1="0" y2="12"></line></svg>"""
PRESENT: Final = '<line class="loss-present" x1="{0}" x2="{0}" y1="0" y2="12"></line>'


@register.simple_tag
def loss_bar(bar: LossBar) -> SafeString:
    """Draw today's loss against the present limit (dashed) and the new one; the amounts are beside it, for screen readers."""
    present = "" if bar.present is None else format_html(PRESENT, f"{bar.present:.2f}")
    within, past, new = (f"{share:.2f}" for share in (bar.within, bar.past, bar.new))
    return format_html(LOSS_BAR, within=within, past=past, new=new, present=present)


@register.simple_tag
def change_words(kind: StoredKind, change: Change, first: str = "") -> SafeString | str:
    """Describe in one line what a change does: "Lock KTR50K-000123", or "Lock 12 accounts"."""
    if change.item_count == 1 and first:
        return format_html("{} {}", kind.verb, named(first))
    return kind.words(change.sent_count)


@register.filter
def seen(stored: Mapping[str, Any] | None) -> str:
    """Return in words what an approver was shown that moves while accounts trade: "7 would be liquidated"."""
    effects = ChangeEffects.from_json(stored)
    counts = [(MEASURES[name], getattr(effects, name)) for name in COMPARED] if effects else []
    return ", ".join(f"{count:,} {each.one if count == 1 else each.many}" for each, count in counts if count)


@register.filter
def times(counted: Mapping[str, int], what: str) -> int:
    """Return how often something was counted."""
    return counted.get(what, 0)


@register.filter
def of(found: Mapping[str, Item], target: str) -> Item | None:
    """Return the item of a target, if there is one."""
    return found.get(target)


@register.filter
def measured(effects: ChangeEffects, kind: StoredKind) -> list[tuple[Measure, int]]:
    """Return the measures of a change's effects that a page shows, each with its count."""
    return effects.measured(of_accounts=kind.unit == Unit.ACCOUNT)


@register.filter
def reason(code: str) -> str:
    """Return a reason code in words."""
    return reason_words(code)
