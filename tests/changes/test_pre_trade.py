"""Plans, findings, words and forms of position limits and risk parameters."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.kind import Finding
from accounts.changes.kinds.position_limit import PositionLimitForm, PositionLimitKind
from accounts.changes.kinds.risk_parameter import RiskParameterForm, RiskParameterKind
from accounts.changes.kinds.stored import Difference
from accounts.changes.plan import Row, plan
from accounts.models import Account, PositionLimit, RiskParameter, Source
from riskadmin.staff.models import Staff
from riskadmin.tradovate.vocabulary import Environment
from tests.changes.world import hold_position, make_account

AGE: dict[str, Any] = {"source": Source.REFRESH}
LIMIT_ID, PARAMETER_ID = 31, 41
OVERALL = {"id": LIMIT_ID, "active": True, "total_by": "Overall", "exposed_limit": 3, "long_limit": 2}
ORDERS = {
    "id": PARAMETER_ID,
    "user_account_position_limit_id": LIMIT_ID,
    "max_opening_order_qty": 2,
    "margin_percentage": "50.5",
}
BEYOND = "Holds more than that already ({}): what Tradovate does then is not documented"
CREATE = {"action": "create", "total_by": "Product", "product_id": 7, "exposed_limit": 1}


def make_limited(number: int = 101, **columns: Any) -> Account:
    """An account whose position limits were read just now."""
    now = timezone.now()
    return make_account(number, **{"position_limits_read_at": now, "risk_parameters_read_at": now, **columns})


def make_limit(account: Account, **columns: Any) -> PositionLimit:
    own = {"tradovate_id": LIMIT_ID, "active": True, "total_by": "Overall", "exposed_limit": 3, "long_limit": 2}
    return PositionLimit.objects.create(account=account, fresh_at=timezone.now(), **AGE, **(own | columns))


def make_parameter(limit: PositionLimit, **columns: Any) -> RiskParameter:
    own = {"tradovate_id": PARAMETER_ID, "max_opening_order_qty": 2, "margin_percentage": Decimal("50.5")}
    return RiskParameter.objects.create(position_limit=limit, fresh_at=timezone.now(), **AGE, **(own | columns))


def row(kind: str, **parameters: Any) -> Row:
    """The plan's only row."""
    (found,) = plan(KINDS[kind], environment=Environment.DEMO, target_ids=[101], parameters=parameters).rows
    return found


@pytest.mark.django_db
class TestPlan:
    def test_a_new_limit_is_in_force_unless_it_is_said_otherwise(self) -> None:
        make_limit(make_limited())

        found = row("position_limit", **CREATE)

        assert found.before == {"records": [OVERALL]}
        assert found.after == {
            "action": "create",
            "record": {"active": True, "total_by": "Product", "product_id": 7, "exposed_limit": 1},
        }
        assert row("position_limit", **CREATE, active=False).after != found.after

    def test_a_change_carries_the_whole_record(self) -> None:
        make_limit(make_limited(), description="All contracts")

        found = row("position_limit", action="update", limit=LIMIT_ID, exposed_limit=0)

        record = {**OVERALL, "exposed_limit": 0, "description": "All contracts"}
        assert found.after == {"action": "update", "id": LIMIT_ID, "record": record}
        assert found.is_sent

    def test_a_removal_carries_its_number_only(self) -> None:
        make_limit(make_limited())
        assert row("position_limit", action="delete", limit=LIMIT_ID).after == {"action": "delete", "id": LIMIT_ID}

    def test_a_new_parameter_says_what_it_belongs_to(self) -> None:
        make_parameter(make_limit(make_limited()))

        found = row("risk_parameter", action="create", limit=LIMIT_ID, max_closing_order_qty=9)

        assert found.before == {"records": [ORDERS]}
        assert found.after == {
            "action": "create",
            "record": {"user_account_position_limit_id": LIMIT_ID, "max_closing_order_qty": 9},
        }

    def test_a_changed_parameter_stays_where_it_is(self) -> None:
        make_parameter(make_limit(make_limited()))
        found = row("risk_parameter", action="update", parameter=PARAMETER_ID, margin_percentage="40")
        assert found.after == {"action": "update", "id": PARAMETER_ID, "record": {**ORDERS, "margin_percentage": "40"}}

    @pytest.mark.parametrize(
        ("kind", "parameters", "reason"),
        [
            ("position_limit", {}, "It is not said whether a position limit is added, changed or removed"),
            ("position_limit", {"action": "burn"}, "It is not said whether a position limit is added, changed or removed"),
            ("position_limit", {"action": "update"}, "It has no position limit that was named"),
            ("position_limit", {"action": "update", "limit": 99, "long_limit": 1}, "It has no position limit 99"),
            ("position_limit", {"action": "update", "limit": LIMIT_ID}, "Nothing new was filled in"),
            ("position_limit", {"action": "update", "limit": LIMIT_ID, "long_limit": 2}, "Already so"),
            (
                "position_limit",
                {"action": "update", "limit": LIMIT_ID, "long_limit": -1},
                "Not as documented: a position limit is at least 0",
            ),
            ("position_limit", {"action": "delete", "limit": 99}, "It has no position limit 99"),
            ("position_limit", {"action": "delete", "limit": LIMIT_ID, "long_limit": 1}, "A removal takes no new values"),
            ("position_limit", {**CREATE, "limit": 5}, "A new position limit has no number yet"),
            ("position_limit", {"action": "create", "long_limit": 1}, "Not filled in: Counted over"),
            ("position_limit", {"action": "create", "total_by": "Overall"}, "None of the limits was filled in"),
            (
                "position_limit",
                {**CREATE, "total_by": "Sum"},
                "Not as documented: 'Sum' is not a valid TotalBy",
            ),
            (
                "position_limit",
                {**CREATE, "description": "x" * 65},
                "Not as documented: a description has at most 64 characters",
            ),
            ("risk_parameter", {"action": "create", "max_back_month": 3}, "It is not said which position limit it belongs to"),
            ("risk_parameter", {"action": "create", "limit": 99, "max_back_month": 3}, "It has no position limit 99"),
            ("risk_parameter", {"action": "create", "limit": LIMIT_ID}, "None of the limits was filled in"),
            ("risk_parameter", {"action": "delete", "parameter": 99}, "It has no risk parameter 99"),
            (
                "risk_parameter",
                {"action": "update", "parameter": PARAMETER_ID, "margin_percentage": "50.5"},
                "Already so",
            ),
        ],
    )
    def test_it_skips(self, kind: str, parameters: dict[str, Any], reason: str) -> None:
        make_parameter(make_limit(make_limited()))
        found = row(kind, **parameters)
        assert (found.skip_reason, found.after) == (reason, None)

    def test_another_action_for_one_account_is_not_taken(self) -> None:
        make_limit(make_limited())
        common = {"action": "update", "limit": LIMIT_ID, "long_limit": 1}
        own = {101: {"action": "delete"}}
        (found,) = plan(
            KINDS["position_limit"], environment=Environment.DEMO, target_ids=[101], parameters=common, per_target=own
        ).rows
        assert found.skip_reason == "It can't be another action than the change's own: ask for it separately"

    def test_what_was_never_read_is_not_guessed(self) -> None:
        make_account(101)
        assert row("position_limit", **CREATE).skip_reason == "Its position limits were never read; read the account first"
        never = "Its risk parameters were never read; read the account first"
        assert row("risk_parameter", action="create", limit=1, max_back_month=1).skip_reason == never

    @pytest.mark.parametrize(
        ("parameters", "warnings"),
        [
            ({"exposed_limit": 5, "long_limit": 5}, ()),
            (
                {"exposed_limit": 4},
                (BEYOND.format("3 long, limit 2; 5 in all, limit 4"),),
            ),
            ({"active": False, "exposed_limit": 0}, ()),
            ({"total_by": "Product", "exposed_limit": 0}, ()),
            (
                {"total_by": "Contract", "contract_id": 2, "short_limit": 1, "long_limit": 9, "exposed_limit": 9},
                (BEYOND.format("2 short, limit 1"),),
            ),
        ],
    )
    def test_existing_limits_are_shown(self, parameters: dict[str, Any], warnings: tuple[str, ...]) -> None:
        account = make_limited()
        make_limit(account)
        hold_position(account, 3, 1)
        hold_position(account, -2, 2)
        assert row("position_limit", action="update", limit=LIMIT_ID, **parameters).warnings == warnings

    def test_what_depends_on_a_limit_is_shown(self) -> None:
        limit = make_limit(make_limited())
        make_parameter(limit)
        removal = {"action": "delete", "limit": LIMIT_ID}
        reported = "1 risk parameter hangs on it: whether they go with it is not documented"
        assert row("position_limit", **removal).warnings == (reported,)
        make_parameter(limit, tradovate_id=42)
        assert row("position_limit", **removal).warnings[0].startswith("2 risk parameters hang on it")

    def test_fields_that_are_not_known_here_need_no_warning_since_they_are_carried_over(self) -> None:
        limit = make_limit(make_limited(), unknown_fields=["colour", "mood"])
        make_parameter(limit, unknown_fields=["taste"])
        assert row("position_limit", action="update", limit=LIMIT_ID, long_limit=9).warnings == ()
        assert row("risk_parameter", action="update", parameter=PARAMETER_ID, max_back_month=1).warnings == ()

    def test_a_second_one_just_like_it_is_shown(self) -> None:
        make_limit(make_limited())
        again = {name: value for name, value in OVERALL.items() if name != "id"}
        found = row("position_limit", action="create", **again)
        assert found.warnings == ("It has one just like it already: there would be two",)

    def test_the_more_it_loosens_the_further_up(self) -> None:
        make_limit(make_limited())
        update = {"action": "update", "limit": LIMIT_ID}
        assert row("position_limit", **update, exposed_limit=4, long_limit=4).weight == 2
        assert row("position_limit", **update, exposed_limit=1).weight == 0

    @pytest.mark.parametrize("kind", ["position_limit", "risk_parameter"])
    def test_many_accounts_take_the_same_queries(self, kind: str, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        for number in range(101, 121):
            make_parameter(make_limit(make_limited(number)))
        for count in (1, 20):
            with django_assert_num_queries(6):
                found = plan(
                    KINDS[kind],
                    environment=Environment.DEMO,
                    target_ids=range(101, 101 + count),
                    parameters={"action": "create", "limit": LIMIT_ID, "max_back_month": 1}
                    if kind == "risk_parameter"
                    else CREATE,
                )
            assert len(found.sent) == count


def interpreted(before: list[Any], after: dict[str, Any], observed: list[Any]) -> Finding:
    return KINDS["position_limit"].interpret_read_back(
        before={"records": before}, after=after, observed={"records": observed}, step=0
    )


OTHER = {"id": 32, "active": True, "total_by": "Product", "product_id": 7, "exposed_limit": 1}
NEW = {name: value for name, value in OTHER.items() if name != "id"}
WIDER = {**OVERALL, "exposed_limit": 9}
ADD: dict[str, Any] = {"action": "create", "record": NEW}
WIDEN: dict[str, Any] = {"action": "update", "id": LIMIT_ID, "record": WIDER}
REMOVE: dict[str, Any] = {"action": "delete", "id": LIMIT_ID}


@pytest.mark.parametrize(
    ("before", "after", "observed", "finding"),
    [
        ([OVERALL], ADD, [OVERALL, OTHER], Finding.APPLIED),
        ([], ADD, [OTHER], Finding.APPLIED),
        ([OVERALL], ADD, [OVERALL], Finding.NOT_APPLIED),
        # One just like it that was there before is not the new one.
        ([OTHER], ADD, [OTHER], Finding.NOT_APPLIED),
        ([OTHER], ADD, [OTHER, {**OTHER, "id": 33}], Finding.APPLIED),
        # Tradovate filled something in; somebody else added another one; somebody else added the very same.
        ([], ADD, [{**OTHER, "risk_time_period_id": 1}], Finding.APPLIED),
        ([], ADD, [OTHER, {**WIDER, "id": 33}], Finding.APPLIED),
        ([], ADD, [{**OTHER, "exposed_limit": 2}], Finding.ELSEWHERE),
        ([], ADD, [OTHER, {**OTHER, "id": 33}], Finding.ELSEWHERE),
        ([OVERALL], WIDEN, [WIDER], Finding.APPLIED),
        ([OVERALL], WIDEN, [OVERALL], Finding.NOT_APPLIED),
        ([WIDER], WIDEN, [WIDER], Finding.UNCHANGED),
        ([OVERALL], WIDEN, [{**WIDER, "long_limit": 1}], Finding.ELSEWHERE),
        # A field was lost on the way: not what was shown.
        ([OVERALL], WIDEN, [{name: WIDER[name] for name in WIDER if name != "long_limit"}], Finding.ELSEWHERE),
        ([OVERALL], WIDEN, [], Finding.ELSEWHERE),
        # What happened to another one tells nothing.
        ([OVERALL, OTHER], WIDEN, [WIDER], Finding.APPLIED),
        ([OVERALL], REMOVE, [], Finding.APPLIED),
        ([OVERALL, OTHER], REMOVE, [OTHER], Finding.APPLIED),
        ([OVERALL], REMOVE, [OVERALL], Finding.NOT_APPLIED),
        ([OVERALL], REMOVE, [WIDER], Finding.ELSEWHERE),
        ([], REMOVE, [], Finding.UNCHANGED),
    ],
)
def test_a_read_back_is_interpreted(before: list[Any], after: dict[str, Any], observed: list[Any], finding: Finding) -> None:
    assert interpreted(before, after, observed) == finding


def altered(kind: str, before: list[Any], after: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    found = KINDS[kind].differences({"records": before}, after)
    return [(each.label, each.before, each.after, each.direction) for each in found]


def test_a_change_is_described_field_by_field() -> None:
    becomes = {**OVERALL, "exposed_limit": 1_000, "long_limit": 1, "short_limit": 4, "description": "Gold"}
    assert altered("position_limit", [OVERALL, OTHER], {"action": "update", "id": LIMIT_ID, "record": becomes}) == [
        ("Most short", "—", "4", "tighter"),
        ("Most long", "2", "1", "tighter"),
        ("Most in all", "3", "1,000", "looser"),
        ("Description", "—", "Gold", ""),
    ]


def test_additions_and_removals_are_described() -> None:
    assert altered("position_limit", [], ADD) == [
        ("New position limit", "—", "product 7", ""),
        ("In force", "—", "yes", "tighter"),
        ("Counted over", "—", "each product", ""),
        ("Most in all", "—", "1", "tighter"),
        ("Product", "—", "7", ""),
    ]
    assert altered("position_limit", [OVERALL], REMOVE) == [
        ("Position limit 31", "everything", "removed", ""),
        ("In force", "yes", "—", "looser"),
        ("Counted over", "all contracts together", "—", ""),
        ("Most long", "2", "—", "looser"),
        ("Most in all", "3", "—", "looser"),
    ]


def test_what_is_not_in_force_neither_loosens_nor_tightens() -> None:
    idle, wider = {**OVERALL, "active": False}, {**WIDER, "active": False}
    after = {"action": "update", "id": LIMIT_ID, "record": wider}
    assert altered("position_limit", [idle], after) == [("Most in all", "3", "9", "")]
    switched_off = {"action": "update", "id": LIMIT_ID, "record": idle}
    assert altered("position_limit", [OVERALL], switched_off) == [("In force", "yes", "no", "looser")]


def test_parameters_say_what_they_alter() -> None:
    becomes = {**ORDERS, "max_opening_order_qty": 1, "pre_expiration_days": 3, "margin_percentage": "40", "hard_limit": True}
    assert altered("risk_parameter", [ORDERS], {"action": "update", "id": PARAMETER_ID, "record": becomes}) == [
        ("Largest opening order", "2", "1", "tighter"),
        ("Days before expiration", "—", "3", "tighter"),
        ("Margin in percent", "50.5%", "40%", ""),
        ("Hard limit", "—", "yes", ""),
    ]
    assert altered("risk_parameter", [ORDERS], {"action": "delete", "id": PARAMETER_ID})[0] == (
        "Risk parameter 41",
        "everything, of position limit 31",
        "removed",
        "",
    )


def test_changes_since_the_preview_are_described() -> None:
    kind = KINDS["position_limit"]
    assert kind.differences({"records": [OVERALL, OTHER]}, {"records": [OTHER]}) == (
        Difference(
            label="Position limit 31",
            before="31: in force yes, counted over all contracts together, most long 2, most in all 3",
            after="none",
        ),
    )


def test_only_an_addition_is_never_sent_again() -> None:
    for kind in (PositionLimitKind(), RiskParameterKind()):
        safe = {action: kind.of({"action": action}).is_resend_safe(0) for action in ("create", "update", "delete")}
        assert safe == {"create": False, "update": True, "delete": True}
        assert not kind.of({}).is_resend_safe(0)
        assert kind.of({"action": "update"}) is kind.of({"action": "update"})
        assert kind.of({"action": "update"}).of({"action": "update"}) is kind.of({"action": "update"})


class TestForms:
    @pytest.mark.parametrize(
        ("form", "typed", "errors"),
        [
            (PositionLimitForm, {}, {"action": "This field is required."}),
            (
                PositionLimitForm,
                {"action": "create", "limit": "5"},
                {
                    "limit": "Leave this empty: Tradovate gives a new position limit its number.",
                    "total_by": "A new position limit needs this.",
                    "__all__": "Fill in at least one of the limits: without any, a position limit limits nothing.",
                },
            ),
            (
                PositionLimitForm,
                {"action": "update"},
                {
                    "limit": "Say which position limit. The numbers stand on the account's page.",
                    "__all__": "Nothing new was filled in. What is left empty stays as it is.",
                },
            ),
            (
                PositionLimitForm,
                {"action": "delete", "limit": "5", "long_limit": "1"},
                {"long_limit": "Leave this empty: a removal takes no new values."},
            ),
            (
                PositionLimitForm,
                {"action": "update", "limit": "0", "short_limit": "-1", "long_limit": "1.5", "description": "x" * 65},
                {
                    "limit": "Tradovate's numbers begin with 1.",
                    "short_limit": "Write a whole number, 0 or more.",
                    "long_limit": "Write a whole number, 0 or more.",
                    "description": "Ensure this value has at most 64 characters (it has 65).",
                },
            ),
            (
                RiskParameterForm,
                {"action": "create", "max_back_month": "3"},
                {"limit": "Say what it belongs to. The numbers stand on the account's page."},
            ),
            (
                RiskParameterForm,
                {"action": "update", "limit": "5", "parameter": "6", "margin_percentage": "-1"},
                {
                    "limit": "Leave this empty: a risk parameter stays where it is.",
                    "margin_percentage": "Write a number, 0 or more.",
                },
            ),
        ],
    )
    def test_errors_say_what_to_do(self, form: type[Any], typed: dict[str, str], errors: dict[str, str]) -> None:
        found = form(typed)
        assert not found.is_valid()
        assert {name: messages[0] for name, messages in found.errors.items()} == errors

    @pytest.mark.parametrize(
        ("kind", "typed", "parameters", "words"),
        [
            (
                "position_limit",
                {"action": "update", "limit": "5", "short_limit": "0", "active": "no"},
                {"action": "update", "limit": 5, "short_limit": 0, "active": False},
                (("What to do", "Change one"), ("Position limit", "5"), ("In force", "no"), ("Most short", "0")),
            ),
            (
                "position_limit",
                {"action": "delete", "limit": "5"},
                {"action": "delete", "limit": 5},
                (("What to do", "Remove one"), ("Position limit", "5")),
            ),
            (
                "risk_parameter",
                {"action": "create", "limit": "5", "max_back_month": "3", "margin_dollar_value": "1200.50"},
                {"action": "create", "limit": 5, "max_back_month": 3, "margin_dollar_value": "1200.5"},
                (
                    ("What to do", "Add one"),
                    ("Of position limit", "5"),
                    ("Furthest month", "3"),
                    ("Margin in dollars", "$1,200.50"),
                ),
            ),
        ],
    )
    def test_what_is_typed_becomes_json_and_words(
        self, kind: str, typed: dict[str, str], parameters: dict[str, Any], words: tuple[tuple[str, str], ...]
    ) -> None:
        form_class = KINDS[kind].parameters_form
        assert form_class is not None
        form = form_class(typed)
        assert form.is_valid(), form.errors
        assert KINDS[kind].parameters(form.cleaned_data) == parameters
        assert KINDS[kind].parameter_words(parameters) == words


@pytest.mark.parametrize(
    ("kind", "link", "filled_in"),
    [
        ("position_limit", {"action": "update", "limit": "31"}, ('value="update" selected', 'name="limit" value="31"')),
        ("position_limit", {"action": "create"}, ('value="create" selected',)),
        ("risk_parameter", {"action": "create", "limit": "31"}, ('value="create" selected', 'name="limit" value="31"')),
        ("risk_parameter", {"action": "delete", "parameter": "41"}, ('value="delete" selected', 'name="parameter" value="41"')),
    ],
)
def test_a_link_of_the_accounts_page_fills_the_form_in(
    client: Client, support: Staff, kind: str, link: dict[str, str], filled_in: tuple[str, ...]
) -> None:
    make_limited()
    client.force_login(support)

    page = client.get(reverse("changes:new", args=[kind]), {"account": "demo:101", **link})

    assert page.status_code == 200
    assert page.context["plan"] is None
    shown = " ".join(page.content.decode().split())
    assert [words for words in filled_in if words not in shown] == []
