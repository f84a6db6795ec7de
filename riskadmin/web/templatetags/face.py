"""The components that pages are made of; `docs/face-components.md` shows how to use each."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeGuard

from django import template
from django.forms import BaseForm, ModelChoiceField
from django.forms.boundfield import BoundField
from django.forms.widgets import CheckboxInput, CheckboxSelectMultiple, RadioSelect, Select
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from riskadmin.web import formats, icons, visible
from riskadmin.web.clock import display_zone
from riskadmin.web.looks import Look
from riskadmin.web.paging import Page

register = template.Library()

Number = Decimal | int | float

UNSET: Final = mark_safe(
    '<span class="unset"><span aria-hidden="true">—</span><span class="visually-hidden">not set</span></span>'
)

# A tone's default icon, for states without a better one.
TONE_ICONS: Final = {
    "neutral": "circle-dashed",
    "info": "info-circle",
    "busy": "loader",
    "ok": "circle-check",
    "warn": "alert-triangle",
    "danger": "alert-octagon",
}

# How a new limit compares with the old one; shown as the word itself.
DIRECTIONS: Final = frozenset({"looser", "tighter"})


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """Show an icon of the sprite: decorative beside a word, with a label where it is alone. `ValueError` if unknown."""
    if name not in icons.icon_names():
        raise ValueError(f"There is no icon {name!r} in the sprite; riskadmin/web/vendor.py says how to add one.")
    spoken = format_html('role="img" aria-label="{}"', label) if label else mark_safe('aria-hidden="true"')
    return format_html('<svg class="icon" {}><use href="{}#{}"></use></svg>', spoken, static(icons.SPRITE), name)


# --- Values ---------------------------------------------------------------------------------------------------------


def _is_set(value: Number | None) -> TypeGuard[Number]:
    # A template passes "" instead of None where a path such as `account.cash.amount` can't be followed to its end.
    return value is not None and value != ""


@register.filter
def unset(value: object) -> object:
    """Show the value itself, or an em dash when there is none."""
    return UNSET if value is None or value == "" else value


@register.filter
def named(name: object, shown_id: object = None) -> object:
    """Show a name from elsewhere: isolated from what surrounds it, invisible characters marked; beside it its id, if given.

    Every name of an account, trader, category or person on a page goes through this; `named_text` is for titles.
    """
    if name is None or name == "" or isinstance(name, SafeString):
        return name
    shown = format_html("<bdi>{}</bdi>", visible.marked(str(name)))
    return shown if shown_id is None else format_html('{} <span class="fine">{}</span>', shown, shown_id)


@register.filter
def named_text(name: object) -> str:
    """Return a name from elsewhere for a title or another plain text, as `named` shows it on pages."""
    return visible.isolated(str(name))


@register.filter
def named_list(names: Iterable[object]) -> SafeString:
    """Show several names, as `named` shows one, with commas between them."""
    return format_html_join(", ", "{}", ((named(name),) for name in names))


@register.filter
def sentence(text: str) -> str:
    """End a text from elsewhere with one full stop, because another sentence follows."""
    text = text.rstrip()
    return text if text.endswith((".", "!", "?", "…")) or not text else f"{text}."


@register.filter
def money(amount: Number | None, currency: str = "USD") -> str:
    """Write an amount, "-$1,200.00", with a true minus; for limits and balances."""
    return formats.money(amount, currency) if _is_set(amount) else UNSET


@register.filter
def signed_money(amount: Number | None, currency: str = "USD") -> str:
    """Write an amount with a plus for gains, "+$340.00"; for profit, loss and differences."""
    return formats.money(amount, currency, always_signed=True) if _is_set(amount) else UNSET


@register.filter
def percent(points: Number | None) -> str:
    """Write percentage points: 12.50 is "12.5%"."""
    return formats.percent(points) if _is_set(points) else UNSET


@register.filter
def number(value: Number | None) -> str:
    """Write a number with thousands separators."""
    return formats.number(value) if _is_set(value) else UNSET


@register.simple_tag
def time(at: datetime | None, *, seconds: bool = True) -> str:
    """Write a time in the display zone, the exact UTC in its title."""
    return _time(at, formats.moment(at, display_zone(), seconds=seconds)) if at else UNSET


@register.simple_tag
def between(earliest: datetime, latest: datetime) -> SafeString:
    """Write two times that something happened between, in the display zone, with the exact UTC of both in the title."""
    title = f"{formats.exact_utc(earliest)} to {formats.exact_utc(latest)}"
    return format_html('<span title="{}">{}</span>', title, formats.between(earliest, latest, display_zone()))


@register.filter
def weekday(at: datetime) -> str:
    """Write a time's day of the week in the display zone: "Fri"."""
    return f"{formats.in_zone(at, display_zone()):%a}"


@register.simple_tag
def age(since: datetime | None) -> str:
    """Write how long something has lasted, or how old it is: "3 d 4 h"; "0 s" where another clock dates it in the future."""
    return _time(since, formats.duration(max(timezone.now() - since, timedelta()))) if since else UNSET


@register.simple_tag
def ago(at: datetime | None) -> str:
    """Write how long ago something happened: "9 min ago", "just now"."""
    return _time(at, formats.ago(timezone.now() - at)) if at else UNSET


@register.simple_tag
def ahead(at: datetime | None) -> str:
    """Write how long it is until something happens: "in 10 min", "now"."""
    return _time(at, formats.ahead(at - timezone.now())) if at else UNSET


def _time(at: datetime, text: str) -> SafeString:
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), formats.exact_utc(at), text)


# --- Components -----------------------------------------------------------------------------------------------------


@register.simple_tag
def state(label: str, tone: str = "neutral", icon_name: str = "", explanation: str = "") -> SafeString:
    """Show a state as word, icon and tone, explained in the title. Tones are those of `TONE_ICONS`; others are a `KeyError`."""
    title = format_html(' title="{}"', explanation) if explanation else ""
    mark = icon(icon_name) if icon_name else tone_icon(tone)
    return format_html('<span class="state tone-{}"{}>{}{}</span>', tone, title, mark, label)


def drawn(label: str, look: Look) -> SafeString:
    """Show a state that has a look."""
    return state(label, look.tone, look.icon, look.explanation)


@register.simple_tag
def tone_icon(tone: str) -> SafeString:
    """Show a tone's default icon."""
    return icon(TONE_ICONS[tone])


@register.filter
def message_tone(level: str) -> str:
    """Return the tone of a Django message's level."""
    return {"error": "danger", "warning": "warn", "success": "ok"}.get(level, "info")


@register.simple_tag
def environment_badge(environment: str) -> SafeString:
    """Name a Tradovate environment. Live has its colour and the word wherever it appears."""
    return format_html('<span class="env env-{}">{}</span>', environment, environment.capitalize())


@register.simple_tag
def before_after(before: object, after: object, direction: str = "") -> SafeString:
    """Show before → after, and whether the new value is `looser` or `tighter`. Equal values are shown once.

    Values are passed formatted (`{% before_after old|money new|money "looser" %}`). Another direction is a `ValueError`.
    """
    if direction and direction not in DIRECTIONS:
        raise ValueError(f"A change is looser or tighter, not {direction!r}.")
    if str(before) == str(after):
        return format_html('<span class="ba">{} <span class="ba-word">unchanged</span></span>', named(after))
    word = format_html(' <span class="ba-word ba-{}">{}</span>', direction, direction) if direction else ""
    return format_html(
        '<span class="ba"><span class="visually-hidden">from </span><del>{}</del>{}'
        '<span class="visually-hidden"> to </span><ins>{}</ins>{}</span>',
        named(before),
        icon("arrow-right"),
        named(after),
        word,
    )


@register.inclusion_tag("inc/copy_id.html")
def copy_id(value: object, what: str = "number") -> dict[str, object]:
    """Show an id with a button that copies it; `what` names it for a screen reader ("account number")."""
    return {"value": value, "what": what}


@register.inclusion_tag("inc/pager.html", takes_context=True)
def pager(context: template.Context, page: Page[Any], newer: str = "Newer", older: str = "Older") -> dict[str, object]:
    """Show the links to the previous and next page of a list, keeping the address's other parameters."""
    return {"page": page, "newer": newer, "older": older, "request": context["request"]}


# --- Forms ----------------------------------------------------------------------------------------------------------


@register.inclusion_tag("inc/field.html")
def field(bound: BoundField, prefix: str = "", suffix: str = "", help_url: str = "") -> dict[str, object]:
    """Show a form field: label above, help, unit inside its frame, and its error beside it, all linked for screen readers.

    With `help_url`, the help is replaced while the person types by that fragment, which receives the form and says what the
    value would mean.
    """
    notes = {"help": bound.help_text or help_url, "error": bound.errors}
    described_by = " ".join(f"{bound.auto_id}_{note}" for note, is_there in notes.items() if is_there)
    return {
        "bound": bound,
        "widget": widget_of(bound, described_by),
        "described_by": described_by,
        "is_group": _is_group(bound),
        "is_check": isinstance(bound.field.widget, CheckboxInput),
        "is_optional": not bound.field.required and not _always_has_a_value(bound),
        "prefix": prefix,
        "suffix": suffix,
        "help_url": help_url,
    }


def _always_has_a_value(bound: BoundField) -> bool:
    """Say whether a field is a list to choose from without an empty choice: something is always chosen."""
    field, widget = bound.field, bound.field.widget
    if type(widget) is not Select or isinstance(field, ModelChoiceField):
        return False
    groups = [label if isinstance(label, list | tuple) else [(value, label)] for value, label in widget.choices]
    return all(value not in {None, ""} for group in groups for value, _ in group)


def widget_of(bound: BoundField, described_by: str) -> SafeString:
    """Return a field's control in the page's style, linked to the elements that describe it (their ids)."""
    attributes: dict[str, str | bool] = {}
    if not _is_group(bound):  # a group's notes belong to its fieldset, and Django would style its frame as a choice
        attributes |= {"class": _widget_class(bound)}
        attributes |= {"aria-describedby": described_by} if described_by else {}
        attributes |= {"aria-invalid": "true"} if bound.errors else {}
    return bound.as_widget(attrs=attributes)


@register.inclusion_tag("inc/error_summary.html")
def error_summary(form: BaseForm) -> dict[str, object]:
    """List the errors of a form above it, each linked to its field. It takes the focus. Nothing without errors."""
    # A group can't take the focus itself, so its first choice does.
    fields = [
        {
            "target": f"{bound.auto_id}_0" if _is_group(bound) else bound.id_for_label,
            "label": bound.label,
            "errors": error_words(bound.errors),
        }
        for bound in form.visible_fields()
        if bound.errors
    ]
    of_hidden = [error for bound in form.hidden_fields() for error in bound.errors]
    return {"fields": fields, "others": [visible.marked_sentence(str(each)) for each in [*form.non_field_errors(), *of_hidden]]}


@register.filter
def error_words(errors: Iterable[object]) -> str:
    """Return errors as one text. They may quote what was typed."""
    return " ".join(visible.marked_sentence(str(each)) for each in errors)


def _is_group(bound: BoundField) -> bool:
    return isinstance(bound.field.widget, RadioSelect | CheckboxSelectMultiple)


def _widget_class(bound: BoundField) -> str:
    if isinstance(bound.field.widget, CheckboxInput):
        return "form-check-input"
    return "form-select" if isinstance(bound.field.widget, Select) else "form-control"
