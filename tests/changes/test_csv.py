"""A CSV of targets: whatever a spreadsheet may write is read, and whatever is wrong is told with its line and column."""

from typing import Any, ClassVar

import pytest
from django import forms
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import example, given
from hypothesis import strategies as st

from accounts.changes.kinds import KINDS
from accounts.changes.kinds.spec import Unit
from accounts.changes.targeting.csv_columns import HEADINGS, columns_of, template
from accounts.changes.targeting.csv_table import BYTES_MAX, SAVE_AS, Unreadable
from accounts.changes.targeting.csv_upload import read_csv
from accounts.changes.targeting.source import Fault
from accounts.changes.targeting.targets import TARGETS_MAX, TargetSelection
from accounts.models import Account
from riskadmin.tradovate.vocabulary import Environment
from tests.changes.fake_kind import FakeForm, FakeKind
from tests.changes.world import make_account, make_accounts, make_trader

pytestmark = pytest.mark.django_db

FAKE = FakeKind()
IGNORABLE = "Remove the columns that are not needed, or tick “Ignore columns with other headings”."
NAME = "KTR50K-{:06}".format


def read(*lines: str, kind: Any = FAKE, encoding: str = "utf-8", end: str = "\r\n") -> TargetSelection:
    return read_csv(kind, Environment.DEMO, (end.join(lines) + end).encode(encoding), filename="limits.csv")


def reported(chosen: TargetSelection) -> list[tuple[int, str, str, str, str]]:
    return [(each.line, each.column, each.value, each.fault.value, each.reason) for each in chosen.problems]


def noted(chosen: TargetSelection) -> list[tuple[int, str]]:
    return [(each.line, each.words) for each in chosen.notes]


def refused(*lines: str, **how: Any) -> tuple[str, ...]:
    with pytest.raises(Unreadable) as caught:
        read(*lines, **how)
    return caught.value.reasons


@pytest.fixture(autouse=True)
def accounts() -> None:
    make_accounts([1, 2, 3, 4, 5])


class TestTable:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize("between", [",", ";"])
    def test_it_is_read_as_spreadsheets_write_it(self, encoding: str, end: str, between: str) -> None:
        lines = [between.join(cells) for cells in (["account", "amount"], ["1", "10.50"], ['"KTR50K-000002"', '"20"'])]
        chosen = read(*lines, encoding=encoding, end=end)
        assert (chosen.environment, chosen.unit, chosen.ids, chosen.source) == (
            Environment.DEMO,
            Unit.ACCOUNT,
            (1, 2),
            "CSV limits.csv",
        )
        assert chosen.problems == ()
        assert chosen.parameters == {"level": "firm"}
        assert chosen.per_target == {1: {"amount": "10.50"}, 2: {"amount": "20"}}

    def test_quotes_hold_delimiters_quotes_and_lines(self) -> None:
        chosen = read("account;amount", '"1";"10"', '"nobody; ""him""\nor her";5', "9;5")
        assert reported(chosen) == [
            (
                3,
                "account",
                'nobody; "him"\N{REPLACEMENT CHARACTER}or her',
                "Bad value",
                "The cell runs over lines 3 to 4. Close or remove its quotation mark",
            ),
            (5, "account", "9", "Unknown", "No account has this id or name"),
        ]

    def test_empty_lines_and_columns_at_the_end_are_nothing(self) -> None:
        chosen = read("account,amount,,", "", "1,10,,", ",,,", "  ", "2,20,,", "")
        assert (chosen.ids, chosen.problems) == ((1, 2), ())

    @pytest.mark.parametrize("heading", HEADINGS[Unit.ACCOUNT])
    def test_the_first_column_has_several_names(self, heading: str) -> None:
        assert read(f" {heading.upper().replace('_', ' ')} ", "1").ids == (1,)

    def test_columns_come_in_any_order(self) -> None:
        assert read("Amount,MODE,Account", "10,End of Day,1").per_target == {1: {}}
        assert read("Amount,MODE,Account", "10,End of Day,1").parameters == {"amount": "10", "mode": "eod", "level": "firm"}

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "The file is empty."),
            (b"\r\n \r\n,,\r\n", "The file is empty."),
            (b"account\r\n", "There is no row below the header."),
            (
                b"acc\xf6unt\n1\n",
                f"Line 1: the header has letters that can't be read: the file is not UTF-8. {SAVE_AS}",
            ),
            (b"\xff\xfea\x00\x00\xd8", f"The file begins as UTF-16 and can't be read as that. {SAVE_AS}"),
            (
                b'account\n1\n"2\n3\n',
                "Line 3: a quotation mark opens a cell here and is never closed. Close it, or remove it.",
            ),
            (
                b'account\n"1"2\n',
                (
                    "Line 2: something stands behind the quotation mark that closes a cell. "
                    "Put the whole cell in quotation marks, and write those inside it twice."
                ),
            ),
            (
                b"account\n" + b"x" * 200_000,
                "Line 2: the row can't be read (field larger than field limit (131072)). Look at its quotation marks.",
            ),
            (b"account\n" + b"1\n" * (BYTES_MAX // 2), "The file has 5.0 MiB; at most 5 MiB are taken. Split it."),
            (b"account\n" + b"1\n" * (TARGETS_MAX + 1), "The file has more than 20,000 rows below its header. Split it."),
        ],
    )
    def test_what_is_no_table_is_refused(self, content: bytes, reason: str) -> None:
        with pytest.raises(Unreadable) as caught:
            read_csv(FAKE, Environment.DEMO, content, filename="x.csv")
        assert caught.value.reasons == (reason,)

    def test_exactly_as_many_rows_as_are_taken(self) -> None:
        chosen = read("account", *(str(number) for number in range(1, TARGETS_MAX + 1)))
        assert len(chosen.ids) == 5
        assert len(chosen.problems) == TARGETS_MAX - 5


class TestHeader:
    def test_without_one_the_first_row_is_no_header(self) -> None:
        assert refused("1,10", "2,20") == (
            "Line 1: the header is missing, or has no column “account” (the account's id or name).",
            "Line 1: there is no column “1” here (amount, floor, mode, sticky, level).",
            "Line 1: there is no column “10” here (amount, floor, mode, sticky, level).",
        )

    def test_every_error_of_it_is_shown(self) -> None:
        assert refused("account,name,floor,floor,,colour", "1,1,1,1,1,1") == (
            "Line 1: the column “floor” comes twice. Keep one of them.",
            "Line 1: column 5 has no heading.",
            "Line 1: there is no column “colour” here (amount, floor, mode, sticky, level).",
            IGNORABLE,
            "Line 1: the column “amount” is missing; every row needs it.",
        )

    def test_a_kind_without_parameters_has_no_columns_for_them(self) -> None:
        assert refused("account,amount", "1,1", kind=KINDS["lock"]) == (
            "Line 1: there is no column “amount” here (this change has no parameters of single rows).",
            IGNORABLE,
        )
        assert read("account", "1", kind=KINDS["lock"]).ids == (1,)

    def test_without_columns_for_parameters_they_are_requested_on_the_page(self) -> None:
        chosen = read("account", "1", "2")
        assert (chosen.ids, chosen.parameters, chosen.per_target) == ((1, 2), {}, {})

    def test_what_is_the_same_for_all_is_said_once(self) -> None:
        chosen = read("account,amount,level", "1,10,own", "2,20,The trader's own")
        assert (chosen.parameters, chosen.per_target) == ({"level": "own"}, {1: {"amount": "10"}, 2: {"amount": "20"}})


class TestRows:
    def test_each_error_is_shown_at_its_place(self) -> None:
        make_account(6, archived=True)
        make_account(7, archived=True, closed=True)
        make_account(8, name="TWIN")
        make_account(9, name="TWIN")
        make_account(10, name="11")
        make_account(11)
        make_account(12, environment="live")
        chosen = read(
            "account,amount,floor,mode,sticky",
            "1,10,,,",
            "404,10,,,",  # 3
            "NOBODY,10,,,",
            "6,10,,,",
            f"{NAME(7)},10,,,",
            "TWIN,10,,,",  # 7
            "11,10,,,",
            "12,10,,,",
            "2,ten,,,",
            "2,0.5,,,",  # 11
            "2,,,,",
            "2,1.005,x,,",
            "2,10,20,,",
            "2,10,13,,",  # 15
            "2,666,,,",
            "2,10,,soon,",
            "2,10,,,perhaps",
            "3,10",  # 19: taken, a spreadsheet leaves empty cells at the end out
            "2,10,,,,more",
            ",10,,,",
            "3,1\x000,,,",
            "3\x00,10,,,",  # 23
            '"1,200",10,,,',
            '4,"1,200",,,',
        )
        assert chosen.ids == (1, 3)
        assert reported(chosen) == [
            (3, "account", "404", "Unknown", "No account has this id or name"),
            (4, "account", "NOBODY", "Unknown", "No account has this id or name"),
            (5, "account", "6", "Archived or closed", "This account is archived or closed"),
            (6, "account", "KTR50K-000007", "Archived or closed", "This account is archived or closed"),
            (7, "account", "TWIN", "Ambiguous", "2 accounts have this name. Write the id instead (8, 9)"),
            (
                8,
                "account",
                "11",
                "Ambiguous",
                "This is the id of KTR50K-000011 and the name of account 10. Write KTR50K-000011 or 10 instead, whichever is meant",
            ),
            (9, "account", "12", "Unknown", "No account has this id or name"),
            (10, "amount", "ten", "Bad value", "Enter a number."),
            (11, "amount", "0.5", "Bad value", "Ensure this value is greater than or equal to 1."),
            (12, "amount", "", "Bad value", "This field is required."),
            (13, "amount", "1.005", "Bad value", "Ensure that there are no more than 2 decimal places."),
            (13, "floor", "x", "Bad value", "Enter a number."),
            (14, "floor", "20", "Bad value", "The floor is above the amount."),
            (15, "floor", "13", "Bad value", "13 brings bad luck."),
            (16, "", "", "Bad value", "This amount is the beast's."),
            (
                17,
                "mode",
                "soon",
                "Bad value",
                "Select a valid choice. soon is not one of the available choices. Write eod or now.",
            ),
            (18, "sticky", "perhaps", "Bad value", "Write yes or no."),
            (
                20,
                "",
                "",
                "Not as the header says",
                "6 cells, where the header has 5. If a number or name has a delimiter in it, put it in quotation marks",
            ),
            (
                21,
                "account",
                "",
                "Not as the header says",
                "No account is named here. Write its id or name, or delete the row",
            ),
            (22, "amount", "1\N{REPLACEMENT CHARACTER}0", "Bad value", "A NUL character stands in it. Write the cell again"),
            (23, "account", "3\N{REPLACEMENT CHARACTER}", "Bad value", "A NUL character stands in it. Write the cell again"),
            (
                24,
                "account",
                "1,200",
                "Unknown",
                "No account has this id or name. Write the id without separators: 1200",
            ),
            (25, "amount", "1,200", "Bad value", "Enter a number."),
        ]

    def test_the_same_twice_counts_once(self) -> None:
        chosen = read("account,amount", "1,10", f"{NAME(1)},10", "1, 10 ")
        assert (chosen.ids, chosen.parameters) == ((1,), {"amount": "10", "level": "firm"})
        assert chosen.problems == ()
        assert noted(chosen) == [
            (3, "KTR50K-000001: the same as line 2; it counts once."),
            (4, "1: the same as line 2; it counts once."),
        ]

    def test_rows_that_disagree_count_for_nothing(self) -> None:
        chosen = read("account,amount", "1,10", "2,20", f"{NAME(1)},11", "1,10", "3,1", "3,2", "1,12", "1,13")
        assert chosen.ids == (2,)
        assert [(line, reason) for line, _, _, fault, reason in reported(chosen) if fault == Fault.CONTRADICTION] == [
            (2, "Says otherwise than lines 4, 5, 8 and 1 more. Keep one of them"),
            (4, "Says otherwise than lines 2, 5, 8 and 1 more. Keep one of them"),
            (5, "Says otherwise than lines 2, 4, 8 and 1 more. Keep one of them"),
            (6, "Says otherwise than line 7. Keep one of them"),
            (7, "Says otherwise than line 6. Keep one of them"),
            (8, "Says otherwise than lines 2, 4, 5 and 1 more. Keep one of them"),
            (9, "Says otherwise than lines 2, 4, 5 and 1 more. Keep one of them"),
        ]

    @pytest.mark.parametrize(
        ("written", "kept"),
        [("yes", True), ("TRUE", True), ("1", True), ("y", True), ("no", False), ("False", False), ("0", False), ("", False)],
    )
    def test_yes_and_no(self, written: str, *, kept: bool) -> None:
        assert read("account,amount,sticky", f"1,10,{written}").parameters.get("sticky", False) is kept

    def test_names_are_found_in_small_letters_too(self) -> None:
        assert read("account", "ktr50k-000003").ids == (3,)

    def test_an_id_may_have_zeros_before_it(self) -> None:
        chosen = read("account", "0000001", "1")
        assert (chosen.ids, reported(chosen)) == ((1,), [])
        assert noted(chosen) == [(3, "1: the same as line 2; it counts once.")]

    @pytest.mark.parametrize(
        "value", ["9" * 30, "9223372036854775808", "-1", "1.0", "+1", "\u0661", "=1", "x" * 70, "%", "_", "' OR 1=1 --", "1e0"]
    )
    def test_what_looks_like_an_id_and_is_none(self, value: str) -> None:
        assert [problem.fault for problem in read("account", f'"{value}"').problems] == [Fault.UNKNOWN]

    def test_traders_are_named_likewise(self) -> None:
        make_trader(70, "ana.garcia")
        make_trader(71, "kim lee", is_gone=True)
        chosen = read("trader", "70", "kim lee", "1", kind=KINDS["user_lockout"])
        assert (chosen.unit, chosen.ids) == (Unit.TRADER, (70,))
        assert reported(chosen) == [
            (3, "trader", "kim lee", "Archived or closed", "This trader is no longer listed by Tradovate"),
            (4, "trader", "1", "Unknown", "No trader has this id or name"),
        ]


class TestColumns:
    def test_they_are_those_of_the_form(self) -> None:
        assert [(each.name, each.label, each.help, each.is_required, each.choices) for each in columns_of(FAKE)] == [
            ("amount", "Amount", "In dollars.", True, ()),
            ("floor", "Floor", "", False, ()),
            ("mode", "Mode", "", False, ("eod", "now")),
            ("sticky", "Sticky", "", False, ("yes", "no")),
            ("level", "Level", "", False, ("firm", "own")),
        ]
        assert template(FAKE) == "account,amount,floor,mode,sticky,level\r\n"

    @pytest.mark.parametrize("name", KINDS)
    def test_every_kinds_template_can_be_filled_in(self, name: str) -> None:
        kind = KINDS[name]
        header = template(kind).strip()
        assert header.split(",") == [HEADINGS[kind.unit][0], *(column.name for column in columns_of(kind))]
        cells = ["404"] + [""] * header.count(",")
        assert len(read(header, ",".join(cells), kind=kind).problems) > 0

    def test_one_category_a_call_is_one_for_all_rows(self) -> None:
        assert columns_of(KINDS["risk_category"]) == ()


@pytest.mark.parametrize("count", [10, 200])
def test_it_costs_the_same_few_queries_for_any_length(count: int) -> None:
    make_accounts(range(1001, 1001 + count))
    rows = [f"{number},{number}.50" if number % 2 else f"{NAME(number)},{number}.25" for number in range(1001, 1001 + count)]
    with CaptureQueriesContext(connection) as queries:
        chosen = read("account,amount", *rows)
    assert len(chosen.ids) == count
    assert len(queries) == 2  # by id, by name


# --- Whatever is in it --------------------------------------------------------------------------------------------------

CELLS = st.sampled_from(["", "10", "10.5", "666", "13", "x", "-1", "eod", "End of day", "yes", "perhaps", "1e3", "NaN", "∞"])


@given(amount=CELLS, floor=CELLS, mode=CELLS, level=CELLS)
@example(amount="10", floor="", mode="", level="own")
def test_a_row_is_as_good_as_the_same_typed_into_the_form(amount: str, floor: str, mode: str, level: str) -> None:
    typed = {"amount": amount, "floor": floor, "mode": mode, "level": level}
    form = FakeForm(typed)
    chosen = read("account,amount,floor,mode,level", f"1,{amount},{floor},{mode},{level}")
    if form.is_valid():
        assert chosen.problems == ()
        assert chosen.parameters == FAKE.parameters(form.cleaned_data)
    else:
        wrong = {(problem.column or "__all__", problem.reason) for problem in chosen.problems}
        # A file may say a choice by its label, which the form's own drop-down never sends.
        spared = {"mode", "level"} if "End of day" in {mode, level} else set()
        said = {(name, " ".join(map(str, reasons))) for name, reasons in form.errors.items() if name not in spared}
        # Of a choice, a file also says what may be written.
        assert {name for name, _ in said} <= {name for name, _ in wrong} or (spared and chosen.problems == ())
        assert {each for each in said if each[0] not in {"mode", "level"}} <= wrong or (spared and chosen.problems == ())


@given(content=st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
@example(content=b"account,amount\r\n1,\xff\n")
@example(content=b'account\n"')
@example(content="\ufeffaccount\r\n1".encode())
def test_any_bytes_are_read_or_refused_in_words(content: bytes) -> None:
    for prefix in (b"", b"account,amount\r\n1,"):
        try:
            chosen = read_csv(FAKE, Environment.DEMO, prefix + content, filename="x\x00.csv")
        except Unreadable as error:
            reasons = error.reasons
            assert reasons
            assert all(reasons)
        else:
            assert set(chosen.ids) <= set(Account.objects.values_list("tradovate_id", flat=True))
            assert all(problem.reason and "\0" not in problem.value for problem in chosen.problems)


def test_a_form_without_rules_of_its_own_does_as_well() -> None:
    class PlainForm(forms.Form):
        amount = forms.DecimalField(initial=lambda: 5)

    class Plain(FakeKind):
        parameters_form: ClassVar[type[forms.Form] | None] = PlainForm

    assert columns_of(Plain())[0].is_required is False
    chosen = read("account,amount", "1,5", kind=Plain())
    assert chosen.parameters == {"amount": "5"}
