"""The form for new limits: what it makes of what is typed, and what it says where it can't."""

import pytest
from django.forms import Form
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.limit_form import LimitsForm
from accounts.changes.kinds.position_limit import PositionLimitForm
from accounts.changes.kinds.risk_parameter import RiskParameterForm
from accounts.models import AutoLiqLimits
from accounts.models.auto_liq_fields import AUTO_LIQ_FIELDS
from riskadmin.staff.models import Staff
from tests.changes.pages import text_of
from tests.changes.world import make_account, written

FIRM = KINDS["auto_liq_limits"]


def test_the_form_gives_what_was_filled_in_and_nothing_else() -> None:
    form = LimitsForm(
        {
            "level": "firm",
            "daily_loss_auto_liq_usd": "1200.00",
            "daily_loss_auto_liq_pct": "2.50",
            "trailing_max_drawdown_mode": "RealTime",
            "do_not_unlock": "no",
            "stepped_cooldown": "250:15, $500.50 : 60",
            "flatten_at": "2126-11-20T14:30",
        }
    )
    assert form.is_valid(), form.errors
    parameters = FIRM.parameters(form.cleaned_data)
    assert parameters == {
        "level": "firm",
        "daily_loss_auto_liq_usd": "1200",
        "daily_loss_auto_liq_pct": "2.5",
        "trailing_max_drawdown_mode": "RealTime",
        "do_not_unlock": False,
        "flatten_at": "2126-11-20T20:30:00+00:00",  # typed in Chicago
        "stepped_cooldown": [
            {"step": 1, "distance_usd": "250", "cooldown_minutes": 15},
            {"step": 2, "distance_usd": "500.5", "cooldown_minutes": 60},
        ],
    }
    assert FIRM.parameter_words(parameters) == (
        ("Whose limits", "The firm's"),
        ("Daily loss: auto-liquidation", "$1,200.00"),
        ("Daily loss in percent: auto-liquidation", "2.5%"),
        ("Trailing drawdown: it follows", "Every moment"),
        ("Stays locked once a limit has acted", "No"),
        ("Flatten and cancel at", "2126-11-20 14:30:00"),
        ("Stepped cool-down", "$250.00: 15 min, $500.50: 60 min"),
    )


def test_an_empty_form_gives_no_parameters() -> None:
    form = LimitsForm({})
    assert form.is_valid()
    assert FIRM.parameters(form.cleaned_data) == {}
    assert FIRM.parameter_words({}) == (("Whose limits", "The firm's"),)


def test_every_field_of_the_seed_is_in_the_form_and_says_that_nothing_is_cleared() -> None:
    form = LimitsForm()
    assert set(form.fields) == {"level", *AUTO_LIQ_FIELDS}
    assert len(AUTO_LIQ_FIELDS) == 20
    assert "can be altered but not taken away" in str(form.fields["level"].help_text)


ZERO_USD = "Write an amount above 0. A limit can't be taken away here."
FIRM_ONLY = "Only the firm's limits have this. Leave it as it is, or choose the firm's."
REFUSED = [
    ({"daily_loss_auto_liq_usd": "0"}, "daily_loss_auto_liq_usd", ZERO_USD),
    ({"daily_loss_auto_liq_usd": "-5"}, "daily_loss_auto_liq_usd", ZERO_USD),
    (
        {"weekly_loss_auto_liq_usd": "1000.005"},
        "weekly_loss_auto_liq_usd",
        "Ensure that there are no more than 2 decimal places.",
    ),
    (
        {"weekly_loss_auto_liq_usd": "12345678901234.00"},
        "weekly_loss_auto_liq_usd",
        "Ensure that there are no more than 15 digits in total.",
    ),
    ({"margin_auto_liq_pct": "100.1"}, "margin_auto_liq_pct", "Ensure this value is less than or equal to 100."),
    ({"margin_auto_liq_pct": "0"}, "margin_auto_liq_pct", "Write a percentage above 0. A limit can't be taken away here."),
    ({"trailing_max_drawdown_mode": "Sometimes"}, "trailing_max_drawdown_mode", None),
    ({"do_not_unlock": "perhaps"}, "do_not_unlock", None),
    ({"level": "both"}, "level", None),
    ({"flatten_at": "2020-01-01T10:00"}, "flatten_at", "This time has passed. Choose one that is still to come."),
    ({"flatten_at": "tomorrow"}, "flatten_at", "Write year, month, day and time, such as 2026-12-31T15:10."),
    ({"level": "trader", "do_not_unlock": "no"}, "do_not_unlock", FIRM_ONLY),
    ({"level": "trader", "trailing_max_drawdown_usd": "100"}, "trailing_max_drawdown_usd", FIRM_ONLY),
    ({"level": "trader", "stepped_cooldown": "1:1"}, "stepped_cooldown", FIRM_ONLY),
    (
        {"daily_loss_alert_usd": "900", "daily_loss_liq_only_usd": "900"},
        "daily_loss_liq_only_usd",
        "This has to be more than the $900.00 of “Daily loss: alert”, which comes first.",
    ),
    (
        {"margin_alert_pct": "90", "margin_auto_liq_pct": "80"},
        "margin_auto_liq_pct",
        "This has to be more than the 90% of “Margin in use: alert”, which comes first.",
    ),
    (
        {"stepped_cooldown": "250"},
        "stepped_cooldown",
        "Step 1 is '250'. Write dollars, a colon and whole minutes, such as 250:15.",
    ),
    (
        {"stepped_cooldown": "250:15, 1:1.5"},
        "stepped_cooldown",
        "Step 2 is '1:1.5'. Write dollars, a colon and whole minutes, such as 250:15.",
    ),
    ({"stepped_cooldown": "250:15,,500:60"}, "stepped_cooldown", "Step 2 is empty: there is a comma too many."),
    ({"stepped_cooldown": "0:15"}, "stepped_cooldown", "Step 1: 0 is no amount above 0 in dollars and cents."),
    ({"stepped_cooldown": "0.001:15"}, "stepped_cooldown", "Step 1: 0.001 is no amount above 0 in dollars and cents."),
    ({"stepped_cooldown": "5:0"}, "stepped_cooldown", "Step 1: a cool-down takes 1 to 10,080 minutes, not 0."),
    ({"stepped_cooldown": "5:99999"}, "stepped_cooldown", "Step 1: a cool-down takes 1 to 10,080 minutes, not 99,999."),
    ({"stepped_cooldown": ",".join(["1:1"] * 21)}, "stepped_cooldown", "There are 21 steps; at most 20 are taken."),
]


@pytest.mark.parametrize(("data", "field", "message"), REFUSED)
def test_the_form_says_what_is_wrong_at_the_field(data: dict[str, str], field: str, message: str | None) -> None:
    form = LimitsForm(data)
    assert not form.is_valid()
    assert list(form.errors) == [field]
    if message is not None:
        assert form.errors[field] == [message]


TYPED = st.sampled_from(["firm", "trader", "yes", "EOD", "12", "12:3", "2090-01-01T10:00"]) | st.text(
    "0159.,:-$eT \x00é", max_size=12
)


@given(data=st.dictionaries(st.sampled_from(["level", *AUTO_LIQ_FIELDS]), TYPED, max_size=6))
def test_whatever_is_typed_is_taken_or_refused_at_a_field(data: dict[str, str]) -> None:
    form = LimitsForm(data)
    if form.is_valid():
        assert set(FIRM.parameters(form.cleaned_data)) <= set(data)
    else:
        assert set(form.errors) <= {"level", *AUTO_LIQ_FIELDS}


# --- On its page --------------------------------------------------------------------------------------------------------


@pytest.fixture
def support_client(client: Client, support: Staff) -> Client:
    """Support's browser, and an account 101 with a daily loss limit of $1,000."""
    account = make_account(101, evaluation_size_usd=50_000)
    AutoLiqLimits.objects.create(
        account=account, level="firm", daily_loss_auto_liq_usd=1000, fresh_at=account.fresh_at, source=account.source
    )
    client.force_login(support)
    return client


def page() -> str:
    return reverse("changes:new", args=["auto_liq_limits"])


@pytest.mark.django_db
def test_the_page_has_every_field_once(support_client: Client) -> None:
    shown = text_of(support_client.get(page(), {"account": "demo:101"}))
    assert [shown.count(f'name="{name}"') for name in ("level", *AUTO_LIQ_FIELDS)] == [1] * 21
    assert "can be altered but not taken away" in shown


@pytest.mark.django_db
@pytest.mark.parametrize(("kind", "form"), [("position_limit", PositionLimitForm), ("risk_parameter", RiskParameterForm)])
def test_the_pages_of_other_limits_have_every_field_once(support_client: Client, kind: str, form: type[Form]) -> None:
    shown = text_of(support_client.get(reverse("changes:new", args=[kind]), {"account": "demo:101"}))
    assert {name: shown.count(f'name="{name}"') for name in form.base_fields} == dict.fromkeys(form.base_fields, 1)


@pytest.mark.django_db
def test_the_page_shows_what_would_change_and_names_it_looser(support_client: Client) -> None:
    response = support_client.get(page(), {"account": "demo:101", "daily_loss_auto_liq_usd": "1200", "preview": "1"})
    shown = text_of(response)
    assert response.status_code == 200
    assert "<del><bdi>$1,000.00</bdi></del>" in shown
    assert "<ins><bdi>$1,200.00</bdi></ins>" in shown
    assert ">looser<" in shown
    assert "Loosens: Daily loss: auto-liquidation" in shown
    assert written() == (0, 0, 0, 0)


@pytest.mark.django_db
def test_the_page_keeps_what_was_typed_wrongly(support_client: Client) -> None:
    response = support_client.get(page(), {"account": "demo:101", "stepped_cooldown": "often", "preview": "1"})
    assert response.status_code == 422
    shown = text_of(response)
    assert "Write dollars, a colon and whole minutes" in shown
    assert 'value="often"' in shown
