"""Template tags and includes: what they write, and that nothing typed by a person gets out unescaped."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django import forms
from django.template import Context, Template
from django.test import RequestFactory
from pytest_django import Settings

from riskadmin.web.formats import MINUS
from riskadmin.web.paging import Page

NOW = datetime(2026, 11, 21, 14, 3, 5, tzinfo=UTC)
EVIL = "<script>alert(1)</script>"


def _render(source: str, **context: object) -> str:
    rendered = Template("{% load face %}" + source).render(
        Context({"request": RequestFactory().get("/x?q=a&cursor=c"), **context})
    )
    return re.sub(r"\s+", " ", rendered).strip()


@pytest.mark.parametrize(
    ("source", "value", "expected"),
    [
        ("{{ value|money }}", Decimal(-1200), f"{MINUS}$1,200.00"),
        ("{{ value|signed_money }}", Decimal(340), "+$340.00"),
        ('{{ value|money:"EUR" }}', Decimal(0), "€0.00"),
        ("{{ value|percent }}", Decimal("12.50"), "12.5%"),
        ("{{ value|number }}", 0, "0"),
        ("{{ value|unset }}", 0, "0"),
        ("{{ value|unset }}", EVIL, "&lt;script&gt;alert(1)&lt;/script&gt;"),
    ],
)
def test_values(source: str, value: object, expected: str) -> None:
    assert _render(source, value=value) == expected


@pytest.mark.parametrize(
    "source",
    [
        "{{ value|money }}",
        "{{ value|signed_money }}",
        "{{ value|percent }}",
        "{{ value|number }}",
        "{{ value|unset }}",
        "{% time value %}",
        "{% age value %}",
        "{% ago value %}",
        "{% ahead value %}",
    ],
)
@pytest.mark.parametrize("value", [None, ""])
def test_what_is_not_set_is_a_dash_and_is_said(source: str, value: object) -> None:
    assert _render(source, value=value) == (
        '<span class="unset"><span aria-hidden="true">—</span><span class="visually-hidden">not set</span></span>'
    )


def test_a_missing_path_is_not_set_either() -> None:
    assert "not set" in _render("{{ account.cash.amount|money }}", account={"cash": None})


def test_times_carry_their_utc(settings: Settings) -> None:
    with time_machine.travel(datetime(2026, 11, 24, 18, 30, tzinfo=UTC), tick=False):
        assert _render("{% time value %}", value=NOW) == (
            '<time datetime="2026-11-21T14:03:05+00:00" title="2026-11-21 14:03:05.000 UTC">2026-11-21 08:03:05</time>'
        )
        assert ">2026-11-21 08:03<" in _render("{% time value seconds=False %}", value=NOW)
        assert ">3 d 4 h<" in _render("{% age value %}", value=NOW)
        assert ">3 d 4 h ago<" in _render("{% ago value %}", value=NOW)
        assert ">now<" in _render("{% ahead value %}", value=NOW)


def test_a_clock_that_is_ahead_of_ours_makes_nothing_older() -> None:
    """Tradovate's, by ten minutes: what it dates has happened just now."""
    with time_machine.travel(NOW - timedelta(minutes=10), tick=False):
        assert ">just now<" in _render("{% ago value %}", value=NOW)
        assert ">0 s<" in _render("{% age value %}", value=NOW)
        assert ">in 10 min<" in _render("{% ahead value %}", value=NOW)


def test_a_state_is_word_icon_and_tone() -> None:
    rendered = _render('{% state label "danger" %}', label=EVIL)
    assert rendered.startswith('<span class="state tone-danger"><svg class="icon" aria-hidden="true"><use href="')
    assert "icons.svg#alert-octagon" in rendered
    assert "&lt;script&gt;" in rendered
    assert "icons.svg#gavel" in _render('{% state "Waiting" "info" "gavel" %}')


@pytest.mark.parametrize("source", ['{% icon "no-such" %}', '{% state "A" "danger" "no-such" %}', '{% state "A" "purple" %}'])
def test_an_unknown_icon_or_tone_fails_loudly(source: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        _render(source)


def test_an_icon_alone_has_a_name() -> None:
    assert 'role="img" aria-label="Menu"' in _render('{% icon "menu-2" "Menu" %}')


def test_before_and_after_are_named() -> None:
    rendered = _render('{% before_after old|money new|money "looser" %}', old=-1000, new=-1500)
    spoken = re.sub(r"<[^>]+>", "", rendered)
    assert spoken == f"from {MINUS}$1,000.00 to {MINUS}$1,500.00 looser"
    assert "<del>" in rendered
    assert "<ins>" in rendered


def test_what_stays_is_shown_once() -> None:
    assert re.sub(r"<[^>]+>", "", _render("{% before_after 5 5 %}")) == "5 unchanged"


def test_a_direction_is_looser_or_tighter() -> None:
    with pytest.raises(ValueError, match="looser or tighter"):
        _render('{% before_after 5 6 "better" %}')


def test_the_pager_keeps_the_other_parameters() -> None:
    rendered = _render("{% pager page %}", page=Page([], "p", "n"))
    assert re.findall('<a [^>]*href="([^"]+)"', rendered) == ["?q=a", "?q=a&amp;cursor=p", "?q=a&amp;cursor=n"]


def test_an_id_can_be_copied_by_name() -> None:
    assert 'data-copy="20871037" aria-label="Copy account number 20871037"' in _render(
        '{% copy_id 20871037 "account number" %}'
    )


# --- Forms ----------------------------------------------------------------------------------------------------------


class Ask(forms.Form):
    reason = forms.ChoiceField(choices=[("a", "A")])
    text = forms.CharField(widget=forms.Textarea, help_text="Up to 8,192 characters.", required=False)
    limit = forms.DecimalField(help_text="In dollars.")
    kind = forms.ChoiceField(choices=[("lock", "Lock"), ("unlock", "Unlock")], widget=forms.RadioSelect)
    reported = forms.BooleanField()
    key = forms.IntegerField(widget=forms.HiddenInput)


def test_a_field_ties_its_label_help_and_error_together() -> None:
    rendered = _render('{% field form.limit "$" "USD" %}', form=Ask({"limit": EVIL}))
    control = re.search(r"<input[^>]+>", rendered)
    assert control
    assert 'aria-describedby="id_limit_help id_limit_error"' in control[0]
    assert 'aria-invalid="true"' in control[0]
    assert 'class="form-control"' in control[0]
    for target in ("id_limit_help", "id_limit_error"):
        assert rendered.count(f'id="{target}"') == 1
    assert '<label for="id_limit">Limit</label>' in rendered
    assert "&lt;script&gt;" in control[0]  # what was typed is kept
    assert rendered.count('class="unit"') == 2


def test_a_field_without_fault_says_nothing_of_one() -> None:
    rendered = _render("{% field form.reason %}", form=Ask())
    assert "aria-" not in rendered
    assert 'class="form-select"' in rendered


def test_an_optional_field_says_so() -> None:
    assert "optional" in _render("{% field form.text %}", form=Ask())
    assert "optional" not in _render("{% field form.limit %}", form=Ask())


@pytest.mark.parametrize(
    ("choices", "count"),
    [([("", "Any"), ("b", "B")], 1), ([("a", "A"), ("b", "B")], 0), ([("Letters", [("a", "A")])], 0)],
)
def test_a_list_that_always_has_a_value_is_not_called_optional(choices: list[tuple[str, object]], count: int) -> None:
    form = forms.Form()
    form.fields["level"] = forms.ChoiceField(choices=choices, required=False)
    assert _render("{% field form.level %}", form=form).count('class="optional"') == count


def test_choices_are_a_group_with_a_name() -> None:
    rendered = _render("{% field form.kind %}", form=Ask({}))
    assert "<legend>Kind</legend>" in rendered
    assert '<fieldset class="field field-wrong" aria-describedby="id_kind_error">' in rendered
    assert len(set(re.findall(' id="([^"]+)"', rendered))) == len(re.findall(' id="([^"]+)"', rendered))


def test_a_checkbox_is_inside_its_label() -> None:
    assert re.search(
        r"<label><input type=\"checkbox\"[^>]*> <span>Reported</span></label>", _render("{% field form.reported %}", form=Ask())
    )


def test_the_summary_takes_the_focus_and_leads_to_each_field() -> None:
    form = Ask({"reason": "a"})
    form.add_error(None, "The account moved.")
    rendered = _render("{% error_summary form %}", form=form)
    assert 'tabindex="-1" autofocus data-focus' in rendered
    assert re.findall('href="#([^"]+)"', rendered) == ["id_limit", "id_kind_0", "id_reported"]
    assert "<li>The account moved.</li>" in rendered
    assert "<li>This field is required.</li>" in rendered  # the hidden one, which no link can lead to


def test_there_is_no_summary_of_nothing() -> None:
    assert _render("{% error_summary form %}", form=Ask()) == ""


# --- Includes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('{% include "inc/empty.html" with title="Nothing" text=evil %}', "&lt;script&gt;"),
        ('{% include "inc/callout.html" with tone="warn" title="Mind" text=evil %}', "&lt;script&gt;"),
        ('{% include "inc/progress.html" with label="Items" done=412 total=1500 %}', '<progress max="1500" value="412">'),
        ('{% include "inc/skeleton.html" with lines="xx" %}', "Loading"),
        (
            '{% include "inc/tabs.html" with label="Account" %}',
            '<a href="/a" aria-current="page">One <span class="count">3</span></a>',
        ),
        ('{% include "inc/breadcrumbs.html" %}', '<li><a href="/accounts/">Accounts</a></li>'),
    ],
)
def test_includes(source: str, expected: str) -> None:
    context = {
        "evil": EVIL,
        "tabs": [("One", "/a", True, 3), ("Two", "/b", False, None)],
        "crumbs": [("Accounts", "/accounts/")],
    }
    assert expected in _render(source, **context)
